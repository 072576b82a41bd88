// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"slices"
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
//
// Others are servers whose prefixes begin with this one's, as that of git__hub does
// with that of git. No name begins with one of these, lest a tool of git be taken
// for one of git__hub; holder is the server whose prefix it would have had.
func publicName(server, own string, others []*source) (name string, holder *source) {
	prefix, id := sanitize(server)+separator, server+"\x00"+own
	name = prefix + sanitize(own)
	if name != server+separator+own || len(name) > maxName {
		name = withDigest(name, id)
	}
	holder = ownerOf(name, others)
	for _, plainer := range []string{prefix + flatten(sanitize(own)), prefix[:len(prefix)-1]} { // the digest comes behind an underscore
		if ownerOf(name, others) == nil {
			break
		}
		name = withDigest(plainer, id)
	}
	return name, holder
}

// ownerOf returns the server whose prefix a name begins with, nil for none.
func ownerOf(name string, servers []*source) *source {
	for _, s := range servers {
		if strings.HasPrefix(name, s.prefix) {
			return s
		}
	}
	return nil
}

// flatten leaves one of several underscores, and none at the beginning.
func flatten(s string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(s, "_"), func(word string) bool { return word == "" }), "_")
}

// withLongerPrefix returns the servers whose prefixes begin with that of s.
func withLongerPrefix(s *source, sources []*source) []*source {
	var others []*source
	for _, other := range sources {
		if len(other.prefix) > len(s.prefix) && strings.HasPrefix(other.prefix, s.prefix) {
			others = append(others, other)
		}
	}
	return others
}

// warnOfNames tells of servers whose names make it hard to say whose a tool is.
func warnOfNames(sources []*source, log *slog.Logger) {
	for i, s := range sources {
		if strings.Contains(sanitize(s.name), separator) {
			log.Warn("the server's name holds __, which stands between a server's name and a tool's: give it another", "server", s.name)
		}
		for _, other := range sources[:i] {
			if s.prefix == other.prefix {
				log.Warn("two servers have the same prefix for their tools: give one another name", "prefix", s.prefix, "server", s.name, "other", other.name)
			}
		}
	}
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
