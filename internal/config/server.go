// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/holdfast-mcp/holdfast/internal/typo"
)

// serversOnce returns the field for mcpServers and the names other clients have
// for it, of which a file has one. A client's file may have more.
func (p *parser) serversOnce() func(string, pair) {
	var first *pair
	return func(path string, m pair) {
		if first != nil && !p.lenient() {
			p.fail(m.line, path, "keep one of them", "means the same as %s on line %d", first.key, first.line)
			return
		}
		first = &m
		all := m.value
		if all.kind == kindList && p.client && !slices.ContainsFunc(all.items, func(n *node) bool { return n.kind != kindMap }) {
			all = named(all) // Continue
		}
		switch all.kind {
		case kindNull:
		case kindMap:
			for _, member := range all.pairs {
				p.one(join(path, member.key), member)
			}
		default:
			p.wrongKind(path, m.value, "a mapping from names to servers")
		}
	}
}

// one reads a member of mcpServers.
func (p *parser) one(path string, m pair) {
	if p.lenient() {
		m.key = strings.TrimSpace(m.key)
	}
	line, taken := p.lines[m.key]
	switch {
	case p.lenient() && absent(m.value):
		return
	case p.client && isInClient(m.value):
		p.notice(m.line, path, "ignored: it is a part of the client that wrote it")
		return
	case taken && p.lenient():
		p.notice(m.line, path, fmt.Sprintf("ignored: line %d has a server of this name", line))
		return
	case taken:
		p.fail(m.line, path, "choose another name", "line %d has a server of this name", line)
		return
	}
	p.lines[m.key] = m.line
	p.names = append(p.names, m.key)
	p.apart(path, m)
}

// entry is a server while it is read. given has its keys under one name for all
// that mean the same.
type entry struct {
	*parser
	Server
	path     string
	given    map[string]pair
	unclear  bool // a mistake already reported leaves open what was meant
	tolerant bool // it is read as generously as a client reads it

	misspelt                  *pair      // a key that was probably meant to be command or url
	inExtension               bool       // a client's extension starts the server
	leading                   []*node    // arguments that stand before args
	added                     []addition // to env and headers
	toolsAllowed, toolsDenied []string   // toolsAllowed is nil for all
}

// apart reads an entry whose mistakes are its own: they mark the server down, and
// the others are served. One without a name that could be shown is left out.
func (p *parser) apart(path string, m pair) {
	file := p.errs
	p.errs = Errors{}
	s := p.server(path, m)
	if len(p.errs.List) > 0 {
		byLine(p.errs.List)
		s = Server{Name: m.key, Line: m.line, Disabled: s.Disabled, Fault: p.errs.fault(path)}
	}
	if s.Disabled && !p.strict {
		p.notices = append(p.notices, p.errs.List...)
	} else {
		p.faults.merge(&p.errs)
	}
	p.errs = file
	if nameProblem(m.key) == "" {
		p.cfg.Servers = append(p.cfg.Servers, s)
	}
}

// server reads an entry.
func (p *parser) server(path string, m pair) Server {
	if problem := nameProblem(m.key); problem != "" {
		p.fail(m.line, path, "", "a server's name %s", problem)
	}
	if m.value.kind != kindMap {
		p.wrongKind(path, m.value, "a mapping with a command or a url")
		return Server{}
	}
	e := &entry{parser: p, path: path, given: make(map[string]pair),
		Server: Server{Name: m.key, Line: m.line, Disabled: isOff(m.value) || !p.chosen(m.key)}}
	e.tolerant = p.lenient() && !e.hasOwnKey(m.value)
	before := len(p.errs.List)
	e.read(m.value)
	e.unclear = len(p.errs.List) > before
	if e.merge(); e.tolerant {
		e.settle()
	}
	e.process()
	e.remote()
	e.transport()
	e.tls()
	e.protocol()
	e.pool()
	e.ceilings()
	e.exchange()
	e.selectTools()
	return e.Server
}

// read keeps the members of the entry.
func (e *entry) read(n *node) {
	fields := e.fields()
	for _, m := range n.pairs {
		switch {
		case m.key == "name" && m.value.text == e.Name: // which is what it is called here
		case !e.tolerant:
			e.member(e.path, m, serverIgnored, fields)
		case absent(m.value) || e.known(e.path, m, serverIgnored, fields) || !saysSomething(m.value):
		default:
			e.unknown(m, fields)
		}
	}
}

// maxSlip is how many letters off a key may be to be taken for a misspelt one where
// other clients' keys may stand.
const maxSlip = 2

// unknown notices a key that a client's file has and no client is known for. It may
// be a misspelt command or url.
func (e *entry) unknown(m pair, fields []field) {
	why := "ignored: no key of a server"
	near := nearest(m.key, keysOf(fields))
	if near != "" && typo.Distance(strings.ToLower(m.key), strings.ToLower(near), maxSlip) <= maxSlip {
		why += fmt.Sprintf("; did you mean %q?", near)
	}
	if near == "command" || near == "url" {
		e.misspelt = &m
	}
	e.notice(m.line, join(e.path, m.key), why)
}

// fields are the keys of an entry.
func (e *entry) fields() []field {
	fields := slices.Concat(e.keys(), e.ownKeys())
	if e.client {
		fields = append(e.clientWords(), fields...)
	}
	return fields
}

// keys are the keys of an entry that clients write too.
func (e *entry) keys() []field {
	return []field{
		{"command", e.keep("command")},
		{"args", e.keep("args")},
		{"env", e.keep("env")},
		{"envFile", e.keep("envFile")},
		{"cwd", e.keep("cwd")},
		{"type", e.keep("type")},
		{"url", e.keep("url")},
		{"headers", e.keep("headers")},
		{"disabled", e.flag},
		{"timeout", e.timeout},
		{"tools", e.tools},
		{"transport", e.keep("type")},     // FastMCP
		{"transportType", e.keep("type")}, // Cline, once
		{"serverUrl", e.keep("url")},      // Windsurf
		{"httpUrl", e.keep("url")},        // Gemini CLI
		{"enabled", e.flag},               // Zed
		{"isActive", e.flag},              // Cherry Studio
		{"disabledTools", e.toolsOut},     // Windsurf, Roo Code, Kiro, Cherry Studio
		{"disabled_tools", e.toolsOut},    // Codex, Crush
		{"excludeTools", e.toolsOut},      // Gemini CLI
		{"enabledTools", e.toolsIn},
		{"enabled_tools", e.toolsIn},   // Codex
		{"includeTools", e.toolsIn},    // Gemini CLI
		{"available_tools", e.toolsOf}, // Goose
	}
}

// ownKeys are the keys of an entry that only Holdfast has.
func (e *entry) ownKeys() []field {
	return []field{
		{"tls", e.keep("tls")},
		{"protocol", e.keep("protocol")},
		{"sharing", e.keep("sharing")},
		{"min", e.keep("min")},
		{"max", e.keep("max")},
		{"spare", e.keep("spare")},
		{"idle", e.keep("idle")},
		{"maxCalls", e.keep("maxCalls")},
		{"startTimeout", e.keep("startTimeout")},
		{"inheritEnv", e.keep("inheritEnv")},
		{"memory", e.keep("memory")},
		{"cpu", e.keep("cpu")},
		{"pids", e.keep("pids")},
		{"user", e.keep("user")},
		{"allowPrivilegeEscalation", e.keep("allowPrivilegeEscalation")},
		{"maxConns", e.keep("maxConns")},
		{"headerTimeout", e.keep("headerTimeout")},
		{"idleTimeout", e.keep("idleTimeout")},
		{"capabilities", e.capabilities},
		{"prompts", e.prompts},
		{"resources", e.resources},
	}
}

// hasOwnKey reports whether an entry was written for Holdfast, where a key that is
// not known is a mistake.
func (e *entry) hasOwnKey(n *node) bool {
	own := keysOf(e.ownKeys())
	return slices.ContainsFunc(n.pairs, func(m pair) bool {
		return slices.Contains(own, m.key) || m.key == "tools" && m.value.kind == kindMap && !isSwitches(m.value)
	})
}

// nameProblem says why a name is refused. Any text that names something is
// accepted, spaces and slashes included: Cline uses repository paths. Refused is
// what cannot be a URL's path segment, or would look like another name.
func nameProblem(name string) string {
	switch {
	case name == "":
		return "cannot be empty"
	case len(name) > maxName:
		return fmt.Sprintf("cannot be over %d bytes long", maxName)
	case name == "." || name == "..":
		return "cannot be . or .., which URLs resolve away"
	case strings.TrimSpace(name) != name:
		return "cannot begin or end with a space"
	case strings.IndexFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) >= 0:
		return "cannot hold invisible characters"
	}
	return ""
}

// isOff reports whether an entry is switched off in one of the clients' ways.
func isOff(n *node) bool {
	for _, m := range n.pairs {
		on, ok := truth(m.value)
		if !ok {
			continue
		}
		switch m.key {
		case "disabled":
			if on {
				return true
			}
		case "enabled", "isActive":
			if !on {
				return true
			}
		}
	}
	return false
}

// truth reads a boolean, which some write as text.
func truth(n *node) (on, ok bool) {
	switch {
	case n.kind != kindBool && n.kind != kindString:
	case strings.EqualFold(n.text, "true"):
		return true, true
	case strings.EqualFold(n.text, "false"):
		return false, true
	}
	return false, false
}

// flag checks whether an entry is switched on or off, which is read before.
func (e *entry) flag(path string, m pair) {
	if _, ok := truth(m.value); !ok || m.value.kind != kindBool && !e.tolerant {
		e.wrongKind(path, m.value, "true or false")
	}
}

func (p *parser) boolean(path string, m pair, to *bool) {
	if m.value.kind != kindBool {
		p.wrongKind(path, m.value, "true or false")
		return
	}
	*to = strings.EqualFold(m.value.text, "true")
}

// keep returns a field that puts its member under name.
func (e *entry) keep(name string) func(string, pair) {
	return func(path string, m pair) {
		if first, ok := e.given[name]; ok {
			if e.tolerant {
				e.notice(m.line, path, fmt.Sprintf("ignored: means the same as %s on line %d", first.key, first.line))
				return
			}
			e.fail(m.line, path, "keep one of them", "means the same as %s on line %d", first.key, first.line)
			return
		}
		e.given[name] = m
	}
}

func (e *entry) has(name string) bool { _, ok := e.given[name]; return ok }

// where returns the path of a member that was kept.
func (e *entry) where(m pair) string { return join(e.path, m.key) }

func (e *entry) timeout(path string, m pair) {
	if m.value.kind == kindInt || m.value.kind == kindFloat {
		e.notice(m.line, path, "ignored: a bare number is seconds to some clients and milliseconds to others; say the unit, such as 30s")
		return
	}
	e.duration(path, m.value, &e.Timeout)
}

// process reads what concerns a child process.
func (e *entry) process() {
	if m, ok := e.given["command"]; ok {
		e.Command = e.line(m, "a string such as npx", "a program to run")
	}
	if m, ok := e.given["cwd"]; ok {
		e.Cwd = e.line(m, "a string, the path of a directory", "a directory")
	}
	for i, item := range e.leading {
		if arg, ok := e.value(indexed(join(e.path, "command"), i+1), item, false); ok {
			e.Args = append(e.Args, arg)
		}
	}
	if m, ok := e.given["args"]; ok {
		e.list(e.where(m), m.value, "a list such as [-y, some-package]", func(path string, item *node) {
			if e.tolerant && item.kind == kindNull {
				return
			}
			if strings.HasPrefix(item.text, "~/") {
				e.notice(item.line, path, "passed on as written: ~ is read by shells only; write ${userHome}")
			}
			if arg, ok := e.value(path, item, false); ok {
				e.Args = append(e.Args, arg)
			}
		})
	}
	if e.has("url") && !e.has("command") {
		return // env has no use there, and its variables need not be set
	}
	if m, ok := e.given["envFile"]; ok {
		if name := e.line(m, "a string, the path of a file", "a file"); name != "" && !e.Disabled {
			e.Env = make(map[string]Secret)
			e.envFile(e.where(m), m.value, name, e.Env)
		}
	}
	if m, ok := e.given["env"]; ok {
		e.secrets(m, "{NAME: value}", e.envVar)
	}
}

// remote reads what concerns an HTTP server.
func (e *entry) remote() {
	if m, ok := e.given["url"]; ok {
		e.URL = e.line(m, "a string such as https://host/mcp", "a URL")
		if e.URL != "" && !e.Disabled {
			if err := checkURL(e.URL); err != nil {
				e.fail(m.value.line, e.where(m), "", "%v", err)
			}
		}
	}
	if m, ok := e.given["headers"]; ok {
		seen := make(map[string]pair)
		e.secrets(m, `{Authorization: "Bearer ${TOKEN}"}`, func(path string, h pair) { e.header(path, h, seen) })
	}
}
