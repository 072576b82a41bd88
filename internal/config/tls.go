// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import "strings"

// tls reads how the connections to a server at a URL are protected. The transport is
// settled before. Whether the files are there shows when they are read: they may be
// written elsewhere, and a missing one is this server's trouble alone.
func (e *entry) tls() {
	m, ok := e.given["tls"]
	if !ok || m.value.kind == kindNull {
		return
	}
	n, path := m.value, e.where(m)
	if n.kind != kindMap {
		e.wrongKind(path, n, "a mapping such as {ca: ca.pem}")
		return
	}
	before := len(e.errs.List)
	e.mapping(path, n, nil, []field{
		{"ca", e.tlsText(&e.TLS.CA, "the path of a file")},
		{"cert", e.tlsText(&e.TLS.Cert, "the path of a file")},
		{"key", e.tlsText(&e.TLS.Key, "the path of a file")},
		{"serverName", e.tlsText(&e.TLS.ServerName, "a host name")},
		{"insecure", func(path string, at pair) { e.boolean(path, at, &e.TLS.Insecure) }},
	})
	scheme := schemeOf(e.URL)
	switch t := &e.TLS; {
	case len(e.errs.List) > before:
	case e.Transport == Stdio:
		e.misfit("tls", "it is for servers at a url", "has no use with a command")
	case scheme == "http" || scheme == "ws":
		e.misfit("tls", "write "+scheme+"s:// if the server speaks TLS", "has no use with an "+scheme+":// url")
	case (t.Cert == "") != (t.Key == ""):
		e.fail(m.line, path, "", "want both cert and key, or none of them")
	case t.Insecure && (t.CA != "" || t.ServerName != ""):
		e.fail(m.line, path, "leave insecure out", "insecure takes any certificate, whatever ca and serverName say")
	}
}

// tlsText returns the field of a text that must not be empty.
func (e *entry) tlsText(to *string, noun string) func(string, pair) {
	return func(path string, at pair) {
		text, ok := e.value(path, at.value, false)
		if ok && (strings.TrimSpace(text) == "" || hasControl(text)) {
			e.fail(at.value.line, path, "", "want %s, got %s", noun, quote(text))
			return
		}
		*to = text
	}
}
