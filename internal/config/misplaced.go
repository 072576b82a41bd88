// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
)

const (
	// misplacedDepth is how deep in a file servers are looked for that nothing reads.
	misplacedDepth = 3
	// misplacedNames bounds the servers that a notice names.
	misplacedNames = 5
)

// misplaced notes where entries that look like servers stand under keys that are not
// read, in a file that has no servers where they are.
func (p *parser) misplaced(path string, n *node, depth int) {
	if n.kind != kindMap || depth == misplacedDepth {
		return
	}
	var names []string
	for _, m := range n.pairs {
		if looksLikeServer(m.value) {
			names = append(names, m.key)
			continue
		}
		p.misplaced(join(path, m.key), m.value, depth+1)
	}
	if path == "" || len(names) == 0 {
		return
	}
	list := strings.Join(names[:min(len(names), misplacedNames)], ", ")
	if more := len(names) - misplacedNames; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	p.notice(n.line, path, fmt.Sprintf("not served: %s; servers belong under mcpServers", list))
}
