// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"slices"
	"unicode/utf8"
)

// Selection chooses and renames what a server offers of one kind. Patterns are
// globs over the server's own names, over URIs or URI templates for resources:
// * is any text, ? one character.
type Selection struct {
	Include, Exclude []string          // nil Include means all; Exclude wins
	Rename           map[string]string // names in place of the server's, by own name; for resources the name shown, by URI
	Describe         map[string]string // descriptions in place of the server's, by own name
}

// Server says what is taken of one server.
type Server struct {
	Tools, Prompts, Resources Selection
}

// of returns the selection that applies to entries of one part.
func (s *Server) of(p part) *Selection {
	switch p {
	case toolList:
		return &s.Tools
	case promptList:
		return &s.Prompts
	}
	return &s.Resources
}

// empty reports whether everything is taken as it is.
func (s *Selection) empty() bool {
	return s.Include == nil && len(s.Exclude) == 0 && len(s.Rename) == 0 && len(s.Describe) == 0
}

// allows reports whether the entry with this own name is taken.
func (s *Selection) allows(own string) bool {
	return (s.Include == nil || matchAny(s.Include, own)) && !matchAny(s.Exclude, own)
}

func matchAny(patterns []string, names ...string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return match(p, name) })
	})
}

// match reports whether name is in the glob pattern. Its time is bounded by the
// product of the lengths, whatever the pattern.
func match(pattern, name string) bool {
	star, again := -1, 0 // the last * seen, and where in name to go on after it
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, again = p, n
			p++
		case p < len(pattern) && pattern[p] == '?':
			_, size := utf8.DecodeRuneInString(name[n:])
			p, n = p+1, n+size
		case p < len(pattern) && pattern[p] == name[n]:
			p, n = p+1, n+1
		case star >= 0:
			_, size := utf8.DecodeRuneInString(name[again:])
			again += size
			p, n = star+1, again
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
