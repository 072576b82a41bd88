// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"regexp"
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
				p.server(join(path, member.key), member)
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

func (p *parser) server(path string, m pair) {
	if problem := nameProblem(m.key); problem != "" {
		p.fail(m.line, path, "", "a server's name %s", problem)
	}
	if m.value.kind != kindMap {
		p.wrongKind(path, m.value, "a mapping with a command or a url")
		return
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
	p.cfg.Servers = append(p.cfg.Servers, e.Server)
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

func (p *parser) flag(path string, m pair) {
	if m.value.kind != kindBool {
		p.wrongKind(path, m.value, "true or false")
	}
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

// line reads a string that must not be empty nor hold a NUL or line break.
func (e *entry) line(m pair, want, noun string) string {
	n, path := m.value, e.where(m)
	if n.kind != kindString {
		e.wrongKind(path, n, want)
		return ""
	}
	text, ok := e.value(path, n, false)
	switch {
	case !ok:
		return ""
	case strings.TrimSpace(text) == "":
		e.fail(n.line, path, "", "want %s, got an empty string", noun)
		return ""
	case hasControl(text):
		e.fail(n.line, path, "", "want %s, got a string with a control character", noun)
		return ""
	}
	return text
}

// value reads a scalar as text, numbers and booleans as they are written. The
// texts of a disabled server stay as they are.
func (e *entry) value(path string, n *node, files bool) (string, bool) {
	if n.kind == kindNull || n.kind == kindList || n.kind == kindMap {
		e.wrongKind(path, n, "a string")
		return "", false
	}
	text, ok := n.text, true
	if !e.Disabled {
		text, ok = e.expand(path, n, files)
	}
	if ok && strings.ContainsRune(text, 0) {
		e.fail(n.line, path, "", "the value holds a NUL character")
		return "", false
	}
	return text, ok
}

// secrets calls each for the members of env or headers.
func (e *entry) secrets(m pair, example string, each func(path string, m pair)) {
	switch m.value.kind {
	case kindNull:
	case kindMap:
		for _, member := range m.value.pairs {
			each(join(e.where(m), member.key), member)
		}
	default:
		e.wrongKind(e.where(m), m.value, "a mapping such as "+example)
	}
}

var bareVariable = regexp.MustCompile(`^\$[A-Za-z_][A-Za-z0-9_]*$`)

// envVar reads one member of env.
func (e *entry) envVar(path string, m pair) {
	if m.key == "" || strings.ContainsAny(m.key, "=\x00") || hasControl(m.key) {
		e.fail(m.line, path, "", "want the name of an environment variable, got %s", quote(m.key))
		return
	}
	text, ok := e.value(path, m.value, true)
	if !ok {
		return
	}
	if e.Env == nil {
		e.Env = make(map[string]Secret)
	}
	e.Env[m.key] = Secret(text)
	written := m.value.text
	if name, ok := strings.CutPrefix(written, "file:"); ok && !isSecretPath(name) {
		e.notice(m.line, path, "passed on as written: only file: with an absolute path is read")
	}
	if bareVariable.MatchString(written) {
		e.notice(m.line, path, "passed on as written: a variable is ${NAME}, with braces")
	}
}

// header reads one member of headers.
func (e *entry) header(path string, m pair, seen map[string]pair) {
	if !isToken(m.key) {
		e.fail(m.line, path, "", "want the name of an HTTP header, got %s", quote(m.key))
		return
	}
	folded := strings.ToLower(m.key)
	if first, ok := seen[folded]; ok {
		e.fail(m.line, path, "keep one of them", "is the same header as %s on line %d", first.key, first.line)
		return
	}
	seen[folded] = m
	if name, ok := strings.CutPrefix(m.value.text, "file:"); ok && !isSecretPath(name) {
		e.fail(m.value.line, path, "", "want an absolute path after file:")
		return
	}
	text, ok := e.value(path, m.value, true)
	if !ok {
		return
	}
	if strings.IndexFunc(text, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }) >= 0 {
		e.fail(m.value.line, path, "", "the value holds a line break or another control character")
		return
	}
	if e.Headers == nil {
		e.Headers = make(map[string]Secret)
	}
	e.Headers[m.key] = Secret(strings.Trim(text, " \t"))
}

// isToken reports whether s can be a header's name (RFC 9110 §5.6.2).
func isToken(s string) bool {
	for _, c := range s {
		if !isWord(c) && !strings.ContainsRune("!#$%&'*+-.^`|~", c) {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// transports are the values of type, in every client's spelling.
var transports = map[string]Transport{
	"stdio":           Stdio,
	"local":           Stdio, // GitHub Copilot CLI
	"http":            HTTP,
	"streamable-http": HTTP, // the specification's name; Roo Code
	"streamableHttp":  HTTP, // Cline
	"streamable_http": HTTP,
	"sse":             SSE,
}

// transport settles how the server is reached, and that the keys fit it.
func (e *entry) transport() {
	command, hasCommand := e.given["command"]
	url, hasURL := e.given["url"]
	declared, ok := e.declared()
	switch {
	case !ok:
	case hasCommand && hasURL:
		e.fail(max(command.line, url.line), e.path, "keep one of them",
			"has a command on line %d and a %s on line %d", command.line, url.key, url.line)
	case hasCommand:
		e.Transport = Stdio
		if declared != "" && declared != Stdio {
			e.misfit("type", "write stdio, or a url instead of the command", "does not fit a command")
		}
		if e.says("headers") {
			e.misfit("headers", "a child process gets secrets by env", "have no use with a command")
		}
	case hasURL:
		e.Transport = Auto
		if declared != "" {
			e.Transport = declared
		} else if url.key == "httpUrl" {
			e.Transport = HTTP
		}
		e.checkRemoteKeys(declared)
	case !e.unclear:
		e.fail(e.Line, e.path, "a server has one of them", "no command and no url")
	}
}

func (e *entry) checkRemoteKeys(declared Transport) {
	if declared == Stdio {
		e.misfit("type", "write http or sse, or a command instead of the url", "does not fit a url")
	}
	for _, key := range []string{"args", "cwd"} {
		if e.says(key) {
			e.misfit(key, "", "has no use with a url")
		}
	}
	for _, key := range []string{"env", "envFile"} {
		if m := e.given[key]; e.says(key) {
			e.notice(m.line, e.where(m), "ignored: a server at a url gets no environment from here")
		}
	}
}

func (e *entry) misfit(key, hint, message string) {
	m := e.given[key]
	e.fail(m.line, e.where(m), hint, "%s", message)
}

// says reports whether a key is there with a value that says something.
func (e *entry) says(key string) bool {
	m, ok := e.given[key]
	return ok && saysSomething(m.value)
}

// declared returns the transport that type names, "" without one, and false when
// type is wrong.
func (e *entry) declared() (Transport, bool) {
	m, ok := e.given["type"]
	if !ok {
		return "", true
	}
	n := m.value
	if n.kind != kindString {
		e.wrongKind(e.where(m), n, "a string: stdio, http or sse")
		return "", false
	}
	if t, ok := transports[n.text]; ok {
		return t, true
	}
	hint := didYouMean(n.text, []string{"stdio", "http", "streamable-http", "streamableHttp", "sse"})
	if n.text == "ws" || n.text == "websocket" {
		hint = "WebSocket servers are not supported"
	}
	e.fail(n.line, e.where(m), hint, "want stdio, http or sse, got %s", quote(n.text))
	return "", false
}
