// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxName is the longest name that every client accepts.
const maxName = 64

// separator stands between a server's and a tool's name.
const separator = "__"

// publicName returns the name under which a server's tool or prompt appears on
// the common endpoint: server__tool, in the characters every client accepts, at
// most 64 of them. A name that had to be changed carries a digest of the
// original, so that it stays the same from run to run and distinct from others.
func publicName(server, own string) string {
	name := sanitize(server) + separator + sanitize(own)
	if name == server+separator+own && len(name) <= maxName {
		return name
	}
	return withDigest(name, server+"\x00"+own)
}

// withDigest shortens name so that a digest of key fits behind it.
func withDigest(name, key string) string {
	sum := sha256.Sum256([]byte(key))
	suffix := "_" + hex.EncodeToString(sum[:4])
	if len(name) > maxName-len(suffix) {
		name = name[:maxName-len(suffix)]
	}
	return name + suffix
}

// sanitize replaces what clients refuse in names.
//
// spec 2026-07-28 server/tools#tool-names: [A-Za-z0-9_.-].
func sanitize(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '.':
			return r
		}
		return '_'
	}, s)
}
