// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/display"
)

// heading begins what one server says to models at a common endpoint.
const heading = "## Server "

// instructions returns what the servers of a common endpoint instruct models to do,
// each under its name, at most maxInstructions bytes in all. Where that is too much the
// longest are cut, to the same length. Of a server that the configuration shows nothing
// of here, nothing is told.
func (g *Gateway) instructions(e *edition) string {
	var said []*source
	texts := map[*source]string{}
	size := 0
	for _, s := range g.sources {
		known := e.revision.states[s.index][discovery].shelf
		if known == nil || strings.TrimSpace(known.offered.Instructions) == "" || !g.hasEntries(e, s) {
			continue
		}
		said = append(said, s)
		texts[s] = section(s, known.offered.Instructions)
		size += len(texts[s])
	}
	if size > maxInstructions {
		cutLongest(texts, maxInstructions)
	}
	sections := make([]string, len(said))
	for i, s := range said {
		sections[i] = texts[s]
	}
	return strings.TrimSpace(strings.Join(sections, ""))
}

// section puts what a server says under its name. Nothing in it passes for another's heading.
func section(s *source, text string) string {
	text = strings.ReplaceAll("\n"+strings.TrimSpace(strings.ReplaceAll(text, "\r", "\n")), "\n"+heading, "\n "+heading)
	return fmt.Sprintf("%s%s (tools %s*)\n%s\n\n", heading, s.name, s.prefix, text)
}

// cutLongest cuts the longest texts so that all have most bytes together.
func cutLongest(texts map[*source]string, most int) {
	shortest := make([]*source, 0, len(texts))
	for s := range texts {
		shortest = append(shortest, s)
	}
	slices.SortFunc(shortest, func(a, b *source) int {
		return cmp.Or(cmp.Compare(len(texts[a]), len(texts[b])), cmp.Compare(a.index, b.index))
	})
	for i, s := range shortest {
		text := texts[s]
		if share := most / (len(shortest) - i); len(text) > share {
			note := fmt.Sprintf("\n[cut off here, of %d bytes]\n\n", len(text))
			text = display.Cut(text, max(share-len(note), 0)) + note
			if len(text) > share {
				text = ""
			}
		}
		texts[s] = text
		most -= len(text)
	}
}

// hasEntries reports whether anything of s is shown by e. Where the configuration does
// not choose among entries, all of its servers count.
func (g *Gateway) hasEntries(e *edition, s *source) bool {
	if !g.filter.selects() {
		return true
	}
	for _, v := range e.views {
		for _, r := range v.routes {
			if r.source == s {
				return true
			}
		}
	}
	return false
}
