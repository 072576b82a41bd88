// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// parser checks one file and fills cfg. It goes on after a mistake, so that one
// run shows them all.
type parser struct {
	file     string
	lookup   func(string) (string, bool)
	readFile func(string) ([]byte, error)

	strict bool // a mistake in an entry refuses the file
	client bool // the file is some client's

	serversAllowed, serversExcluded []string          // by Gemini CLI's settings; serversAllowed is nil for all
	toolsOff                        []string          // globs over SERVER_TOOL, by OpenCode's settings
	proposed                        map[string]string // defaults of VS Code's inputs, by id

	cfg     Config
	errs    Errors // of the file, or of the entry that is being read
	faults  Errors // of entries
	notices []*Error
	grown   int // bytes that variables and secret files have added

	names []string       // of mcpServers, those with mistakes included
	lines map[string]int // where they stand
	named []reference    // of servers, checked when all names are known
}

// field is a key of a mapping and what to do with its value.
type field struct {
	key string
	set func(path string, at pair)
}

func (p *parser) parse(data []byte) (*Config, error) {
	p.read(data)
	if p.strict || len(p.errs.List) > 0 || p.nothingLeft() {
		p.errs.merge(&p.faults)
	}
	if err := p.errs.result(); err != nil {
		return nil, err
	}
	p.cfg.Notices = p.remarks(p.notices, "notices")
	p.cfg.Faults = p.remarks(p.faults.List, "mistakes")
	return &p.cfg, nil
}

// read fills cfg, and collects what is wrong.
func (p *parser) read(data []byte) {
	p.cfg.File = p.file
	root, syntax, err := read(p.file, data)
	if err != nil {
		err.File = p.file
		p.errs.add(err)
		return
	}
	p.lines = make(map[string]int)
	servers := p.serversOnce()
	fields := p.topFields(servers)
	p.recognize(root, syntax, fields)
	p.dropRepeated("", root)
	if p.client {
		fields = append(p.clientFields(servers), fields...)
	}
	p.top(root, fields, servers)
}

// nothingLeft reports whether mistakes leave no server to serve. Such a file is
// refused: nothing that is said later would be seen sooner.
func (p *parser) nothingLeft() bool {
	return !slices.ContainsFunc(p.cfg.Servers, func(s Server) bool { return s.Fault == "" && !s.Disabled })
}

func (p *parser) topFields(servers func(string, pair)) []field {
	return []field{
		{"listen", p.listen},
		{"data", p.data},
		{"mcpServers", servers},
		{"servers", servers},         // VS Code
		{"context_servers", servers}, // Zed
		{"endpoints", p.endpoints},
		{"limits", p.limits},
		{"drain", p.drain},
		{"cluster", p.cluster},
		{"keyAge", func(path string, at pair) { p.days(path, at.value, &p.cfg.KeyAge) }},
		{"allowedHosts", p.allowedHosts},
		{"allowedOrigins", p.allowedOrigins},
		{"$schema", func(string, pair) {}},
	}
}

func (p *parser) top(root *node, fields []field, servers func(string, pair)) {
	if root.kind != kindMap {
		p.fail(root.line, "", "holdfast init writes a file to start from",
			"want a mapping with keys such as mcpServers, got %s", root.kind)
		return
	}
	if !p.lenient() {
		p.mapping("", root, topIgnored, fields)
	} else {
		p.clientTop(root, fields, servers)
	}
	p.checkReferences()
	if len(p.names) == 0 {
		p.misplaced("", root, 0)
	}
}

// mapping calls the field of each key, and reports keys that have none unless
// ignored explains them.
func (p *parser) mapping(path string, n *node, ignored map[string]string, fields []field) {
	for _, member := range n.pairs {
		p.member(path, member, ignored, fields)
	}
}

func (p *parser) member(path string, member pair, ignored map[string]string, fields []field) {
	if p.known(path, member, ignored, fields) {
		return
	}
	hint := "valid here: " + strings.Join(keysOf(fields), ", ")
	if path == "" && looksLikeServer(member.value) {
		hint = "a server belongs under mcpServers"
	} else if near := didYouMean(member.key, keysOf(fields)); near != "" {
		hint = near
	}
	p.fail(member.line, join(path, member.key), hint, "unknown key")
}

// known calls the field of a key, or notices why it is ignored; false is neither.
func (p *parser) known(path string, member pair, ignored map[string]string, fields []field) bool {
	where := join(path, member.key)
	for _, f := range fields {
		if f.key == member.key {
			f.set(where, member)
			return true
		}
	}
	why, ok := ignored[member.key]
	if ok && saysSomething(member.value) {
		p.notice(member.line, where, why)
	}
	return ok
}

func keysOf(fields []field) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}

// saysSomething is false for null, false, "" and empty lists and mappings, which
// clients write for what does not apply.
func saysSomething(n *node) bool {
	switch n.kind {
	case kindNull:
		return false
	case kindBool:
		return strings.EqualFold(n.text, "true")
	}
	return len(n.items) > 0 || len(n.pairs) > 0 || n.text != ""
}

// dropRepeated reports keys that a mapping has twice and leaves the first, or of a
// client's file the last, as its reader does.
func (p *parser) dropRepeated(path string, n *node) {
	for i, item := range n.items {
		p.dropRepeated(indexed(path, i), item)
	}
	first := make(map[string]int, len(n.pairs)) // places in kept
	kept := n.pairs[:0]
	for _, member := range n.pairs {
		where := join(path, member.key)
		at, repeated := first[member.key]
		switch {
		case !repeated:
			first[member.key] = len(kept)
			kept = append(kept, member)
			p.dropRepeated(where, member.value)
		case p.lenient():
			p.notice(member.line, where, fmt.Sprintf("given twice, here and on line %d: this one counts", kept[at].line))
			kept[at] = member
			p.dropRepeated(where, member.value)
		default:
			p.fail(member.line, where, "keep one of them", "given twice, here and on line %d", kept[at].line)
		}
	}
	n.pairs = kept
}

func (p *parser) fail(line int, path, hint, format string, args ...any) {
	p.errs.add(&Error{File: p.file, Line: line, Path: path, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (p *parser) notice(line int, path, text string) {
	p.notices = append(p.notices, &Error{File: p.file, Line: line, Path: path, Message: text})
}

// remarks puts remarks in the order of the file, and bounds how many there are.
func (p *parser) remarks(remarks []*Error, what string) []string {
	byLine(remarks)
	var lines []string
	for i, n := range remarks {
		if i == maxNotices {
			return append(lines, fmt.Sprintf("%s: and %d more %s", p.file, len(remarks)-i, what))
		}
		lines = append(lines, n.Error())
	}
	return lines
}

func (p *parser) wrongKind(path string, n *node, want string) {
	p.fail(n.line, path, "", "want %s, got %s", want, n.kind)
}

func (p *parser) listen(path string, at pair) {
	addr, ok := p.text(path, at.value, "a string such as 127.0.0.1:8080")
	if !ok {
		return
	}
	if err := CheckListen(addr); err != nil {
		p.fail(at.value.line, path, "", "%v", err)
		return
	}
	p.cfg.Listen = addr
}

func (p *parser) data(path string, at pair) {
	dir, ok := p.text(path, at.value, "a string, the path of a directory")
	switch {
	case !ok:
	case dir == "" || hasControl(dir):
		p.fail(at.value.line, path, "leave the key out for the default", "want the path of a directory, got %s", quote(dir))
	default:
		p.cfg.Data = dir
	}
}

func (p *parser) drain(path string, at pair) {
	if at.value.kind == kindNull {
		return
	}
	if at.value.kind != kindMap {
		p.wrongKind(path, at.value, "a mapping such as {notice: 5s, calls: 30s}")
		return
	}
	d := &p.cfg.Drain
	p.mapping(path, at.value, nil, []field{
		{"notice", func(path string, at pair) { p.durationOrNone(path, at.value, &d.Notice) }},
		{"calls", func(path string, at pair) { p.duration(path, at.value, &d.Calls) }},
	})
}

func (p *parser) allowedHosts(path string, at pair) {
	p.cfg.AllowedHosts = p.checkedList(path, at.value, "[mcp.example.com]", CheckHost)
}

func (p *parser) allowedOrigins(path string, at pair) {
	p.cfg.AllowedOrigins = p.checkedList(path, at.value, "[https://app.example.com]", checkOrigin)
}

// checkedList reads a list of strings, each put into its normal form by check.
func (p *parser) checkedList(path string, n *node, example string, check func(string) (string, error)) []string {
	var out []string
	p.list(path, n, "a list such as "+example, func(path string, item *node) {
		text, ok := p.text(path, item, "a string")
		if !ok {
			return
		}
		normal, err := check(text)
		if err != nil {
			p.fail(item.line, path, "", "%v", err)
			return
		}
		out = append(out, normal)
	})
	return out
}

// list calls each for the items of a list; null is an empty one.
func (p *parser) list(path string, n *node, want string, each func(path string, item *node)) {
	if n.kind == kindNull {
		return
	}
	if n.kind != kindList {
		p.wrongKind(path, n, want)
		return
	}
	for i, item := range n.items {
		each(indexed(path, i), item)
	}
}

// text reads a string and puts in its variables.
func (p *parser) text(path string, n *node, want string) (string, bool) {
	if n.kind != kindString {
		p.wrongKind(path, n, want)
		return "", false
	}
	return p.expand(path, n, false)
}

func hasControl(s string) bool { return strings.IndexFunc(s, unicode.IsControl) >= 0 }
