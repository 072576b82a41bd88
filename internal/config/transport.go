// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import "strings"

// transports are the values of type, in every client's spelling.
var transports = map[string]Transport{
	"stdio":           Stdio,
	"local":           Stdio, // GitHub Copilot CLI
	"http":            HTTP,
	"streamable-http": HTTP, // the specification's name; Roo Code
	"streamableHttp":  HTTP, // Cline
	"streamable_http": HTTP,
	"sse":             SSE,
	"websocket":       WebSocket,
	"ws":              WebSocket, // Claude Code
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
		scheme := schemeOf(e.URL)
		e.Transport = remoteTransport(declared, scheme, url.key)
		e.checkScheme(declared, scheme)
		e.checkRemoteKeys(declared)
	case !e.unclear:
		e.nothing()
	}
}

// nothing reports an entry that says neither what to start nor where to connect.
func (e *entry) nothing() {
	switch m := e.misspelt; {
	case m != nil:
		e.fail(m.line, join(e.path, m.key), didYouMean(m.key, []string{"command", "url"}), "unknown key")
	case e.inExtension:
		e.fail(e.Line, e.path, "an extension of Zed starts it: write what that runs", "no command and no url")
	default:
		e.fail(e.Line, e.path, "a server has one of them", "no command and no url")
	}
}

// remoteTransport returns the transport of a url: what type says, else what the
// scheme does.
func remoteTransport(declared Transport, scheme, key string) Transport {
	switch {
	case declared != "":
		return declared
	case scheme == "ws" || scheme == "wss":
		return WebSocket
	case key == "httpUrl":
		return HTTP
	}
	return Auto
}

// schemeOf returns the scheme of a URL in lower case, "" when it has none yet: the
// variables of a disabled server are not put in.
func schemeOf(s string) string {
	scheme, _, ok := strings.Cut(s, "://")
	if !ok {
		return ""
	}
	return strings.ToLower(scheme)
}

// checkScheme reports a type that contradicts the url.
func (e *entry) checkScheme(declared Transport, scheme string) {
	switch scheme {
	case "ws", "wss":
		if declared == HTTP || declared == SSE {
			e.misfit("type", "write websocket, or a url that begins with https://", "does not fit a "+scheme+":// url")
		}
	case "http", "https":
		if declared == WebSocket {
			e.misfit("type", "write http or sse, or a url that begins with wss://", "does not fit an "+scheme+":// url")
		}
	}
}

func (e *entry) checkRemoteKeys(declared Transport) {
	if declared == Stdio {
		e.misfit("type", "write http, sse or websocket, or a command instead of the url", "does not fit a url")
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
		e.wrongKind(e.where(m), n, "a string: stdio, http, sse or websocket")
		return "", false
	}
	if t, ok := transports[n.text]; ok {
		return t, true
	}
	hint := didYouMean(n.text, []string{"stdio", "http", "streamable-http", "streamableHttp", "sse", "websocket"})
	e.fail(n.line, e.where(m), hint, "want stdio, http, sse or websocket, got %s", quote(n.text))
	return "", false
}
