// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

// reference is a server that another part of the file names.
type reference struct {
	path string
	line int
	name string
}

// serverPaths is the key under endpoints that says whether each server is served alone.
const serverPaths = "/servers/*"

// endpoints reads the virtual endpoints.
func (p *parser) endpoints(path string, at pair) {
	switch at.value.kind {
	case kindNull:
	case kindMap:
		for _, member := range at.value.pairs {
			if path := join(path, member.key); member.key == serverPaths {
				p.boolean(path, member, &p.cfg.ServerEndpoints)
			} else {
				p.endpoint(path, member)
			}
		}
	default:
		p.wrongKind(path, at.value, "a mapping from names to endpoints")
	}
}

func (p *parser) endpoint(path string, m pair) {
	if !publicName.MatchString(m.key) || m.key == "." || m.key == ".." {
		p.fail(m.line, path, "it is a part of the URL /v/NAME/mcp",
			"want a name of 1 to 64 letters, digits, _, - and ., got %s", quote(m.key))
	}
	if m.value.kind != kindMap && m.value.kind != kindNull {
		p.wrongKind(path, m.value, "a mapping such as {servers: [files]}")
		return
	}
	e := Endpoint{Name: m.key}
	read := func(path string, item *node) (string, bool) { return p.text(path, item, "a string") }
	p.mapping(path, m.value, nil, []field{
		{"servers", func(path string, at pair) { e.Servers = p.drawnOn(path, at.value) }},
		{"include", func(path string, at pair) { e.Include = p.include(path, at.value, read) }},
		{"exclude", func(path string, at pair) { e.Exclude = p.globs(path, at.value, read) }},
		{"search", func(path string, at pair) { p.boolean(path, at, &e.Search) }},
		{"pin", func(path string, at pair) { e.Pin = p.globs(path, at.value, read) }},
	})
	if len(e.Pin) > 0 && !e.Search {
		p.fail(m.line, join(path, "pin"), "add search: true, or choose what is listed with include", "has no use without search: then every tool is listed")
	}
	p.cfg.Endpoints = append(p.cfg.Endpoints, e)
}

// drawnOn reads the names of servers. Whether there are such is checked at the
// end, since mcpServers may come later in the file.
func (p *parser) drawnOn(path string, n *node) []string {
	if n.kind == kindList && len(n.items) == 0 {
		p.fail(n.line, path, "leave it out for all", "the list is empty")
		return nil
	}
	var names []string
	seen := make(map[string]bool)
	p.list(path, n, "a list of servers' names", func(path string, item *node) {
		name, ok := p.text(path, item, "the name of a server")
		switch {
		case !ok:
		case seen[name]:
			p.fail(item.line, path, "keep one of them", "%s is given twice", quote(name))
		default:
			seen[name] = true
			names = append(names, name)
			p.named = append(p.named, reference{path, item.line, name})
		}
	})
	return names
}

// checkReferences reports names of servers that mcpServers does not have.
func (p *parser) checkReferences() {
	known := make(map[string]bool, len(p.names))
	for _, name := range p.names {
		known[name] = true
	}
	for _, r := range p.named {
		if known[r.name] {
			continue
		}
		hint := "it must be a key of mcpServers"
		if len(p.errs.List) < maxErrors { // more are not shown
			if near := didYouMean(r.name, p.names); near != "" {
				hint = near
			}
		}
		p.fail(r.line, r.path, hint, "no server is named %s", quote(r.name))
	}
}
