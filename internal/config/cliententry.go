// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"regexp"
	"slices"
	"strings"
)

// inClient are the values of type that stand for what a client has inside itself.
var inClient = []string{"builtin", "platform", "frontend", "inline_python", "inMemory"}

// isInClient reports whether an entry is no server at all: Goose and Cherry Studio
// list their own parts among the servers.
func isInClient(n *node) bool {
	kind := n.member("type")
	return kind != nil && slices.Contains(inClient, kind.text)
}

// clientWords are the fields of an entry in the words of clients whose files have
// shapes of their own, beside those of the schema.
func (e *entry) clientWords() []field {
	return []field{
		{"command", e.commandLine},
		{"cmd", e.keep("command")},          // Goose
		{"environment", e.keep("env")},      // OpenCode
		{"envs", e.keep("env")},             // Goose
		{"uri", e.keep("url")},              // Goose
		{"baseUrl", e.keep("url")},          // Cherry Studio
		{"workingDirectory", e.keep("cwd")}, // JetBrains
		{"http_headers", e.keep("headers")}, // Codex
		{"transport", e.transportField},
		{"tools", e.toolSwitches},
		{"source", e.zedSource},
		{"bearer_token_env_var", e.bearer}, // Codex
		{"env_http_headers", e.headersFromEnv},
		{"env_vars", e.passed},
		{"startup_timeout_sec", e.timeoutIn("s", e.startTimeout)},
		{"startup_timeout_ms", e.timeoutIn("ms", e.startTimeout)},
		{"tool_timeout_sec", e.timeoutIn("s", e.timeout)},
		{"env_keys", e.envFromEnv},    // Goose
		{"requestOptions", e.request}, // Continue
		{"requestInit", e.request},    // GitHub Copilot in JetBrains
		{"apiKey", e.apiKey},          // Continue
	}
}

// spellings are the values of type in clients' files, without case, - and _.
var spellings = map[string]Transport{
	"stdio": Stdio, "local": Stdio, "command": Stdio, "process": Stdio,
	"http": HTTP, "streamablehttp": HTTP, "streamable": HTTP, "httpstream": HTTP, "httpstreamable": HTTP,
	"sse": SSE, "httpsse": SSE, "websocket": WebSocket, "ws": WebSocket,
}

// settle drops what does not fit how a client reaches the server, and says so: the
// client does not look at it either.
func (e *entry) settle() {
	if source := e.given["type"]; source.value != nil && source.value.kind == kindString {
		folded := strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(source.value.text))
		t, ok := spellings[folded]
		switch {
		case folded == "remote": // OpenCode: whichever of the two
			delete(e.given, "type")
		case !ok:
			e.drop("type", "no transport of this name is known")
		default:
			e.given["type"] = pair{key: source.key, line: source.line, value: &node{kind: kindString, line: source.value.line, text: string(t)}}
		}
	}
	kind := e.given["type"].value
	switch {
	case e.has("command") && e.has("url") && kind != nil && kind.text != string(Stdio):
		e.drop("command", "type says that the url is used")
	case e.has("command") && e.has("url"):
		e.drop("url", "the command is used")
	}
	switch {
	case e.has("command"):
		if kind != nil && kind.text != string(Stdio) {
			e.drop("type", "does not fit a command")
		}
		e.drop("headers", "a child process has none")
	case e.has("url"):
		if kind != nil && kind.text == string(Stdio) {
			e.drop("type", "does not fit a url")
		}
		e.drop("args", "has no use with a url")
		e.drop("cwd", "has no use with a url")
	}
}

// drop takes a key out of the entry.
func (e *entry) drop(key, why string) {
	if m := e.given[key]; e.says(key) {
		e.notice(m.line, e.where(m), "ignored: "+why)
	}
	delete(e.given, key)
}

// zedSource notes that an extension of Zed starts the server.
func (e *entry) zedSource(_ string, m pair) { e.inExtension = m.value.text == "extension" }

// commandLine reads a command with its arguments in a list (OpenCode) or a mapping
// (Zed, once).
func (e *entry) commandLine(path string, m pair) {
	switch {
	case m.value.kind == kindList && len(m.value.items) > 0:
		e.keep("command")(path, pair{key: m.key, line: m.line, value: m.value.items[0]})
		e.leading = m.value.items[1:]
	case m.value.kind == kindMap:
		for _, part := range m.value.pairs {
			switch part.key {
			case "path":
				e.keep("command")(path, part)
			case "args", "env":
				e.keep(part.key)(path, part)
			}
		}
	default:
		e.keep("command")(path, m)
	}
}

// transportField reads the name of a transport, or the whole of a server (Continue, once).
func (e *entry) transportField(path string, m pair) {
	if m.value.kind != kindMap {
		e.keep("type")(path, m)
		return
	}
	for _, part := range m.value.pairs {
		if e.tolerant && absent(part.value) {
			continue
		}
		e.member(path, part, serverIgnored, e.fields())
	}
}

// add puts a member beside those of env or headers, unless it is there.
func (e *entry) add(to string, m pair, text string) {
	e.added = append(e.added, addition{to, pair{key: m.key, line: m.line, value: &node{kind: kindString, line: m.value.line, text: text}}})
}

// addition is a member of env or headers that an entry says elsewhere.
type addition struct {
	to     string
	member pair
}

// merge puts what was added into env and headers.
func (e *entry) merge() {
	for _, a := range e.added {
		all := e.given[a.to]
		if all.value == nil || all.value.kind != kindMap {
			all = pair{key: a.to, line: a.member.line, value: &node{kind: kindMap, line: a.member.line}}
		}
		if slices.ContainsFunc(all.value.pairs, func(m pair) bool { return strings.EqualFold(m.key, a.member.key) }) {
			continue
		}
		all.value = &node{kind: kindMap, line: all.value.line, pairs: append(slices.Clone(all.value.pairs), a.member)}
		e.given[a.to] = all
	}
}

func (e *entry) bearer(path string, m pair) {
	if e.variableName(path, m.value) {
		e.add("headers", pair{key: "Authorization", line: m.line, value: m.value}, "Bearer ${"+m.value.text+"}")
	}
}

func (e *entry) headersFromEnv(path string, m pair) {
	for _, h := range m.value.pairs {
		if e.variableName(join(path, h.key), h.value) {
			e.add("headers", h, "${"+h.value.text+"}")
		}
	}
}

func (e *entry) envFromEnv(path string, m pair) {
	for i, item := range m.value.items {
		if e.variableName(indexed(path, i), item) {
			e.add("env", pair{key: item.text, line: item.line, value: item}, "${"+item.text+"}")
		}
	}
}

// passed has variables passed on that are set, by name or as {name: …}.
func (e *entry) passed(path string, m pair) {
	for i, item := range m.value.items {
		if name := item.member("name"); name != nil {
			item = name
		}
		if !e.variableName(indexed(path, i), item) {
			continue
		}
		if _, set := e.lookup(item.text); set {
			e.add("env", pair{key: item.text, line: item.line, value: item}, "${"+item.text+"}")
		}
	}
}

func (e *entry) variableName(path string, n *node) bool {
	if n.kind == kindString && isVariable(n.text) {
		return true
	}
	e.fail(n.line, path, "", "want the name of an environment variable, got %s", quote(n.text))
	return false
}

// request reads the headers of an HTTP client's options.
func (e *entry) request(path string, m pair) {
	for _, part := range m.value.pairs {
		if part.key == "headers" {
			e.keep("headers")(path, part)
		} else if saysSomething(part.value) {
			e.notice(part.line, join(path, part.key), whyEditor)
		}
	}
}

func (e *entry) apiKey(_ string, m pair) {
	e.add("headers", pair{key: "Authorization", line: m.line, value: m.value}, "Bearer "+m.value.text)
}

func (e *entry) startTimeout(path string, m pair) { e.keep("startTimeout")(path, m) }

// timeoutIn has a bare number read in the unit that its key names.
func (e *entry) timeoutIn(unit string, set func(string, pair)) func(string, pair) {
	return func(path string, m pair) {
		if m.value.kind == kindInt || m.value.kind == kindFloat {
			m.value = &node{kind: kindString, line: m.value.line, text: m.value.text + unit}
		}
		set(path, m)
	}
}

// toolsOut leaves out the listed tools.
func (e *entry) toolsOut(path string, m pair) {
	e.toolsDenied = append(e.toolsDenied, e.globs(path, m.value, e.toolName)...)
}

// toolsIn leaves out all tools but the listed ones, which may be none.
func (e *entry) toolsIn(path string, m pair) {
	if m.value.kind == kindList && len(m.value.items) == 0 {
		e.toolsDenied = append(e.toolsDenied, "*")
		return
	}
	e.toolsAllowed = append(e.toolsAllowed, e.globs(path, m.value, e.toolName)...)
}

// toolsOf is toolsIn for a client whose empty list means all (Goose).
func (e *entry) toolsOf(path string, m pair) {
	if saysSomething(m.value) {
		e.toolsIn(path, m)
	}
}

// isSwitches reports whether the key tools says something of each tool by its name,
// as Codex writes it, and is not the choice that Holdfast reads.
func isSwitches(n *node) bool {
	for _, m := range n.pairs {
		if slices.Contains([]string{"include", "exclude", "rename", "describe", "keywords"}, m.key) || m.value.kind != kindMap && m.value.kind != kindBool {
			return false
		}
	}
	return len(n.pairs) > 0
}

// toolSwitches reads what a client says of tools by their names, or of all in a
// text: * or names with commas.
func (e *entry) toolSwitches(path string, m pair) {
	switch {
	case m.value.kind == kindString && m.value.text != "*":
		list := &node{kind: kindList, line: m.value.line}
		for name := range strings.SplitSeq(m.value.text, ",") {
			list.items = append(list.items, &node{kind: kindString, line: m.value.line, text: strings.TrimSpace(name)})
		}
		e.toolsIn(path, pair{key: m.key, line: m.line, value: list})
	case m.value.kind == kindString:
	case isSwitches(m.value):
		for _, tool := range m.value.pairs {
			if on, ok := truth(tool.value); ok && !on || isOff(tool.value) {
				e.toolsDenied = append(e.toolsDenied, tool.key)
			}
		}
	default:
		e.tools(path, m)
	}
}

// toolName reads the name of a tool. Gemini CLI's may have arguments behind it.
func (e *entry) toolName(path string, n *node) (string, bool) {
	if n.kind != kindString {
		e.wrongKind(path, n, "the name of a tool")
		return "", false
	}
	name, _, _ := strings.Cut(n.text, "(")
	return name, true
}

// selectTools joins what the client's keys choose with the key tools.
func (e *entry) selectTools() {
	e.toolsDenied = append(e.toolsDenied, e.switchedOff(e.Name)...)
	e.Tools.Exclude = append(e.Tools.Exclude, e.toolsDenied...)
	if e.toolsAllowed == nil {
		return
	}
	if e.Tools.Include != nil {
		e.fail(e.Line, join(e.path, "tools"), "keep one of them", "include stands beside another list of the tools to serve")
		return
	}
	e.Tools.Include = e.toolsAllowed
}

// plainVariable is $NAME alone, or behind the scheme of a credential, as Gemini CLI
// and Copilot read it.
var plainVariable = regexp.MustCompile(`^((?:Bearer|Basic|Token|bearer|basic|token) )?\$([A-Z_][A-Z0-9_]*)$`)

// loneDollar is a variable that may have been meant in a longer text.
var loneDollar = regexp.MustCompile(`(?:^|[^$\w])\$[A-Za-z_]\w*`)

// filledByClient is a placeholder that LibreChat replaces by what it knows of its user.
var filledByClient = regexp.MustCompile(`\{\{[^{}]+\}\}`)

// secretText reads a value of env or headers, which may come from files, and
// explains what looks like a variable and is none. In a client's file $NAME is read
// when it is all of a credential and the variable is set: nobody means the dollar.
func (e *entry) secretText(path string, m pair) (string, bool) {
	n := m.value
	if v := plainVariable.FindStringSubmatch(n.text); e.client && v != nil {
		if _, set := e.lookup(v[2]); set && n.kind == kindString {
			e.notice(m.line, path, "$"+v[2]+" is read as ${"+v[2]+"}")
			return e.value(path, &node{kind: kindString, line: n.line, text: v[1] + "${" + v[2] + "}"}, true)
		}
	}
	switch {
	case loneDollar.MatchString(n.text):
		e.notice(m.line, path, "passed on as written: a variable is ${NAME}, with braces")
	case e.client && filledByClient.MatchString(strings.ReplaceAll(n.text, "${{", "")):
		e.notice(m.line, path, "passed on as written: the client fills in {{…}} for its user; write ${NAME}")
	}
	return e.value(path, n, true)
}
