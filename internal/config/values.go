// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"unicode"
)

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
	case text == "~" || strings.HasPrefix(text, "~/"):
		e.fail(n.line, path, "write ${userHome}", "want %s, got a path that begins with ~, which only shells read", noun)
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
			if e.tolerant && member.value.kind == kindNull {
				continue
			}
			each(join(e.where(m), member.key), member)
		}
	default:
		e.wrongKind(e.where(m), m.value, "a mapping such as "+example)
	}
}

// envVar reads one member of env.
func (e *entry) envVar(path string, m pair) {
	if m.key == "" || strings.ContainsAny(m.key, "=\x00") || hasControl(m.key) {
		e.fail(m.line, path, "", "want the name of an environment variable, got %s", quote(m.key))
		return
	}
	text, ok := e.secretText(path, m)
	if !ok {
		return
	}
	if e.Env == nil {
		e.Env = make(map[string]Secret)
	}
	e.Env[m.key] = Secret(text)
	if name, ok := strings.CutPrefix(m.value.text, "file:"); ok && !isSecretPath(name) {
		e.notice(m.line, path, "passed on as written: only file: with an absolute path is read")
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
	text, ok := e.secretText(path, m)
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
