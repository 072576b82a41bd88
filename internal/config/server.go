// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"unicode"
)

// serversOnce returns the field for mcpServers and the names other clients have
// for it, of which a file has one.
func (p *parser) serversOnce() func(string, pair) {
	var first *pair
	return func(path string, m pair) {
		if first != nil {
			p.fail(m.line, path, "keep one of them", "means the same as %s on line %d", first.key, first.line)
			return
		}
		first = &m
		switch m.value.kind {
		case kindNull:
		case kindMap:
			for _, member := range m.value.pairs {
				p.names = append(p.names, member.key)
				p.apart(join(path, member.key), member)
			}
		default:
			p.wrongKind(path, m.value, "a mapping from names to servers")
		}
	}
}

// entry is a server while it is read. given has its keys under one name for all
// that mean the same.
type entry struct {
	*parser
	Server
	path    string
	given   map[string]pair
	unclear bool // a mistake already reported leaves open what was meant
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
		Server: Server{Name: m.key, Line: m.line, Disabled: isOff(m.value)}}
	before := len(p.errs.List)
	p.mapping(path, m.value, serverIgnored, []field{
		{"command", e.keep("command")},
		{"args", e.keep("args")},
		{"env", e.keep("env")},
		{"envFile", e.keep("envFile")},
		{"cwd", e.keep("cwd")},
		{"type", e.keep("type")},
		{"url", e.keep("url")},
		{"headers", e.keep("headers")},
		{"disabled", p.flag},
		{"timeout", e.timeout},
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
		{"tools", e.tools},
		{"prompts", e.prompts},
		{"resources", e.resources},
		{"transport", e.keep("type")},     // FastMCP
		{"transportType", e.keep("type")}, // Cline, once
		{"serverUrl", e.keep("url")},      // Windsurf
		{"httpUrl", e.keep("url")},        // Gemini CLI
		{"enabled", p.flag},               // Zed
		{"isActive", p.flag},              // Cherry Studio
	})
	e.unclear = len(p.errs.List) > before
	e.process()
	e.remote()
	e.transport()
	e.pool()
	e.ceilings()
	e.exchange()
	return e.Server
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
		if m.value.kind != kindBool {
			continue
		}
		on := strings.EqualFold(m.value.text, "true")
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

// flag checks a boolean that is read elsewhere.
func (p *parser) flag(path string, m pair) { p.boolean(path, m, new(bool)) }

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
	if m, ok := e.given["args"]; ok {
		e.list(e.where(m), m.value, "a list such as [-y, some-package]", func(path string, item *node) {
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
