// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// yamlClients are top-level keys by which the YAML of a client is known: of
// LibreChat, Continue, Goose and fast-agent. JSON and TOML are a client's unless they
// have a key that only Holdfast has.
var yamlClients = []string{
	"version", "interface", "cache", "mcpSettings", "registration", "fileConfig", "modelSpecs", // LibreChat
	"schema", "models", // Continue
	"extensions", "GOOSE_PROVIDER", // Goose
	"mcp", "mcp_servers", // fast-agent and others
}

// sharedTop are the keys of the schema that clients' files have too.
var sharedTop = []string{"mcpServers", "servers", "context_servers", "$schema"}

// recognize settles whether the file is some client's: other settings may stand
// beside its servers, null and "" mean that something is absent, and names of
// several clients mean the same.
func (p *parser) recognize(root *node, syntax syntax, own []field) {
	p.client = syntax != inYAML || strings.HasPrefix(filepath.Base(p.file), "librechat") || slices.ContainsFunc(root.pairs, func(m pair) bool {
		return slices.Contains(yamlClients, m.key) || m.key == "mcpServers" && m.value.kind == kindList
	})
	for _, m := range root.pairs {
		known := slices.ContainsFunc(own, func(f field) bool { return f.key == m.key })
		switch {
		case !known || slices.Contains(sharedTop, m.key):
		case m.key == "endpoints" && p.client && !isEndpoints(m.value): // LibreChat's
		default:
			p.client = false
			return
		}
	}
	if p.client {
		p.choices(root)
	}
}

// lenient reports whether a client's file is read as generously as the client does.
func (p *parser) lenient() bool { return p.client && !p.strict }

// isEndpoints reports whether a top-level endpoints can be meant for Holdfast.
func isEndpoints(n *node) bool {
	for _, m := range n.pairs {
		for _, key := range m.value.pairs {
			if !slices.Contains([]string{"servers", "include", "exclude", "search"}, key.key) {
				return false
			}
		}
		if m.value.kind == kindList {
			return false
		}
	}
	return true
}

// clientFields are the top-level keys under which clients keep servers, beside those
// of the schema.
func (p *parser) clientFields(servers func(string, pair)) []field {
	under := func(holds func(*node) bool) func(string, pair) {
		return func(path string, m pair) {
			if holds(m.value) {
				servers(path, m)
			} else if saysSomething(m.value) {
				p.notice(m.line, path, whyEditor)
			}
		}
	}
	return []field{
		{"mcp_servers", servers},         // Codex, Mistral Vibe
		{"amp.mcpServers", servers},      // Amp
		{"mcp.servers", servers},         // VS Code's settings, flat
		{"mcp", p.mcp(servers)},          // VS Code's settings, OpenCode, Crush, Gemini CLI
		{"extensions", under(isServers)}, // Goose; Gemini CLI's are none
		{"endpoints", under(func(*node) bool { return false })},
		{"experimental", p.experimental(servers)}, // Continue, once
		{"projects", p.projects},                  // Claude Code
	}
}

// isServers reports whether a mapping or list holds servers' entries.
func isServers(n *node) bool {
	return slices.ContainsFunc(n.pairs, func(m pair) bool { return looksLikeServer(m.value) }) || slices.ContainsFunc(n.items, looksLikeServer)
}

// serverWords are keys that only a server's entry has.
var serverWords = []string{"command", "cmd", "url", "uri", "serverUrl", "httpUrl", "baseUrl"}

func looksLikeServer(n *node) bool {
	return slices.ContainsFunc(n.pairs, func(m pair) bool { return slices.Contains(serverWords, m.key) })
}

// member returns the value of a key, nil if there is none.
func (n *node) member(key string) *node {
	for i := range n.pairs {
		if n.pairs[i].key == key {
			return n.pairs[i].value
		}
	}
	return nil
}

func (p *parser) mcp(servers func(string, pair)) func(string, pair) {
	return func(path string, m pair) {
		if inner := m.value.member("servers"); inner != nil && !looksLikeServer(m.value) {
			servers(join(path, "servers"), pair{key: m.key, line: m.line, value: inner})
			return
		}
		if isServers(m.value) {
			servers(path, m)
			return
		}
		for _, setting := range m.value.pairs {
			if setting.key != "allowed" && setting.key != "excluded" && saysSomething(setting.value) {
				p.notice(setting.line, join(path, setting.key), whyEditor)
			}
		}
	}
}

func (p *parser) experimental(servers func(string, pair)) func(string, pair) {
	const key = "modelContextProtocolServers"
	return func(path string, m pair) {
		if inner := m.value.member(key); inner != nil {
			servers(join(path, key), pair{key: m.key, line: m.line, value: inner})
		} else if saysSomething(m.value) {
			p.notice(m.line, path, whyEditor)
		}
	}
}

// projects counts the servers that Claude Code starts in single projects only.
func (p *parser) projects(path string, m pair) {
	count := 0
	for _, project := range m.value.pairs {
		if s := project.value.member("mcpServers"); s != nil {
			count += len(s.pairs)
		}
	}
	if count > 0 {
		p.notice(m.line, path, fmt.Sprintf("ignored: %d servers of single projects are not served; put those that should be under mcpServers", count))
	}
}

// choices reads what a client keeps of its servers and tools outside of their
// entries: which servers Gemini CLI allows, which tools OpenCode switches off, and what
// VS Code proposes where it asks its user.
func (p *parser) choices(root *node) {
	p.proposals(root.member("inputs"))
	mcp := root.member("mcp")
	if mcp == nil {
		return
	}
	p.proposals(mcp.member("inputs"))
	if isServers(mcp) {
		if tools := root.member("tools"); tools != nil {
			for _, m := range tools.pairs {
				if m.value.kind == kindBool && m.value.text == "false" {
					p.toolsOff = append(p.toolsOff, m.key)
				}
			}
		}
		return
	}
	if allowed := mcp.member("allowed"); allowed != nil && len(allowed.items) > 0 {
		p.serversAllowed = texts(allowed)
	}
	if excluded := mcp.member("excluded"); excluded != nil {
		p.serversExcluded = texts(excluded)
	}
}

// proposals keeps the defaults of VS Code's inputs, by their ids.
func (p *parser) proposals(inputs *node) {
	if inputs == nil {
		return
	}
	for _, input := range inputs.items {
		id, proposal := input.member("id"), input.member("default")
		if id == nil || proposal == nil || absent(proposal) || len(proposal.items)+len(proposal.pairs) > 0 {
			continue
		}
		if p.proposed == nil {
			p.proposed = make(map[string]string)
		}
		p.proposed[id.text] = proposal.text
	}
}

func texts(n *node) []string {
	list := make([]string, 0, len(n.items))
	for _, item := range n.items {
		list = append(list, item.text)
	}
	return list
}

// chosen reports whether the client's settings outside of the entries use a server.
func (p *parser) chosen(name string) bool {
	return (p.serversAllowed == nil || slices.Contains(p.serversAllowed, name)) && !slices.Contains(p.serversExcluded, name)
}

// switchedOff returns globs over a server's own names of tools that OpenCode
// switches off by the names it shows, SERVER_TOOL.
func (p *parser) switchedOff(server string) (globs []string) {
	prefix := strings.Map(func(r rune) rune {
		if isWord(r) || r == '-' {
			return r
		}
		return '_'
	}, server) + "_"
	for _, off := range p.toolsOff {
		if own, ok := strings.CutPrefix(off, prefix); ok && own != "" {
			globs = append(globs, own)
		} else if stem, ok := strings.CutSuffix(off, "*"); ok && strings.HasPrefix(prefix, stem) {
			globs = append(globs, "*")
		}
	}
	return globs
}

// named makes a mapping of a list whose items say their names themselves.
func named(list *node) *node {
	n := &node{kind: kindMap, line: list.line}
	for i, item := range list.items {
		key := "server" + strconv.Itoa(i+1)
		if name := item.member("name"); name != nil && name.text != "" {
			key = name.text
		}
		n.pairs = append(n.pairs, pair{key: key, line: item.line, value: item})
	}
	return n
}

// clientTop reads the top level of a client's file, where anything may stand beside
// the servers. Without a key for them the members that look like servers are, as
// Warp and many READMEs write them.
func (p *parser) clientTop(root *node, fields []field, servers func(string, pair)) {
	var unknown []pair
	bare := &node{kind: kindMap, line: root.line}
	before := len(p.names)
	for _, m := range root.pairs {
		switch {
		case absent(m.value) || p.known("", m, topIgnored, fields):
		case looksLikeServer(m.value):
			bare.pairs = append(bare.pairs, m)
		case isServers(m.value):
			p.notice(m.line, join("", m.key), "ignored: servers belong under mcpServers")
		default:
			unknown = append(unknown, m)
		}
	}
	if len(p.names) == before && len(bare.pairs) > 0 {
		servers("", pair{line: root.line, value: bare})
	} else {
		for _, m := range bare.pairs {
			p.notice(m.line, join("", m.key), "ignored: a server belongs under mcpServers")
		}
	}
	p.tellUnknown(unknown)
}

// absent reports whether a client writes a value for what is not there.
func absent(n *node) bool { return n.kind == kindNull || n.kind == kindString && n.text == "" }

// maxListed is how many keys one notice lists.
const maxListed = 10

// tellUnknown tells in one notice which of the client's other settings are ignored.
func (p *parser) tellUnknown(unknown []pair) {
	if len(unknown) == 0 {
		return
	}
	var keys []string
	for i, m := range unknown {
		if i == maxListed {
			keys = append(keys, fmt.Sprintf("and %d more", len(unknown)-i))
			break
		}
		keys = append(keys, quote(m.key))
	}
	p.notice(unknown[0].line, "", "ignored, as settings of the client that wrote this file: "+strings.Join(keys, ", "))
}
