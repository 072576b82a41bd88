// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

// maxName is the longest name that every client accepts.
const maxName = 64

// digestSize is the length of what withDigest adds.
const digestSize = 9

// separator stands between a server's and a tool's name.
const separator = "__"

// publicName returns the name under which a server's tool or prompt appears on
// the common endpoint: server__tool, in the characters every client accepts, at
// most 64 of them. A name that had to be changed carries a digest of the
// original, so that it stays the same from run to run and distinct from others.
//
// Others are servers whose prefixes begin with this one's, as that of git__hub does
// with that of git, or have nothing to do with it. No name begins with one of these,
// lest a tool of git be taken for one of git__hub; holder is the server whose prefix
// it would have had.
func publicName(server, own string, others []*source) (name string, holder *source) {
	prefix, tool, id := sanitize(server)+separator, sanitize(own), server+"\x00"+own
	name = prefix + tool
	holder = ownerOf(name, others)
	if name == server+separator+own && len(name) <= maxName && holder == nil {
		return name, nil
	}
	plain := flatten(tool) // without __ a name is nobody's
	for _, next := range []string{shorten(prefix, tool), shorten(prefix, plain), prefix[:len(prefix)-1], shorten("", plain)} {
		if name = withDigest(next, id); ownerOf(name, others) == nil {
			break
		}
	}
	return name, holder
}

// shortServer is the length of a server's name that costs a tool's too little to be lost.
const shortServer = 2

// shorten makes room for a digest behind a name: the tool's own part says what it does,
// so it stays as long as it can, and the server's part is cut.
func shorten(prefix, tool string) string {
	room := maxName - digestSize
	if len(prefix)+len(tool) <= room {
		return prefix + tool
	}
	server := strings.TrimSuffix(prefix, separator)
	if len(server) > shortServer {
		server = server[:min(len(server), max(room-len(tool)-len(separator), 0))]
	}
	if server != "" {
		tool = server + separator + tool
	}
	return strings.TrimRight(tool[:min(len(tool), room)], "_")
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

// withOtherPrefix returns the servers whose prefixes that of s does not begin with.
func withOtherPrefix(s *source, sources []*source) []*source {
	var others []*source
	for _, other := range sources {
		if !strings.HasPrefix(s.prefix, other.prefix) {
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

// digested is a name as withDigest makes it.
var digested = regexp.MustCompile(`_[0-9a-f]{8}$`)

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
