// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

// Selection chooses and renames what a server offers of one kind. Patterns are
// globs over the server's own names, over URIs or URI templates for resources:
// * is any text, ? one character.
type Selection struct {
	Include, Exclude []string          // nil Include means all; Exclude wins
	Rename           map[string]string // names in place of the server's, by own name; for resources the name shown, by URI
	Describe         map[string]string // descriptions in place of the server's, by own name
	Keywords         map[string]string // words by which a tool is found too, by own name; tools only
	// Unlisted, of resources, makes common endpoints ask the server for URIs that no
	// server lists or claims. It has no effect beside Include or Exclude.
	Unlisted bool
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

// selections are the filters of a server's four lists.
type selections [numLists]filter

func newSelections(pick *Server) *selections {
	var all selections
	for p := range lists {
		s := pick.of(part(p))
		all[p] = newFilter(s.Include, s.Exclude)
	}
	return &all
}
