// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"runtime"
	"slices"
	"strings"
)

// DefaultInherit are the names of environment variables that a child process gets
// from Holdfast's own environment when its entry has no inheritEnv: what programs
// need to run, and no credentials. A * at the end stands for any text. Do not
// change it.
var DefaultInherit = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "LC_*",
	"TMPDIR", "TMP", "TEMP", "TZ", "XDG_*",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
	"http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS",
	"SYSTEMROOT", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "PROGRAMDATA", // Windows
}

// ownPrefix begins the names of Holdfast's own variables, which only patterns
// pass that begin so too.
const ownPrefix = "HOLDFAST_"

// SecretVariable and SecretFileVariable hold the secret that the nodes of a
// cluster share, or name a file that does. No value of a file may use them: who
// has the secret is a node.
const (
	SecretVariable     = "HOLDFAST_CLUSTER_SECRET"
	SecretFileVariable = "HOLDFAST_CLUSTER_SECRET_FILE"
)

// Environ returns the entries of all, "NAME=value" each as [os.Environ] has them,
// whose names the allow-list passes: Inherit, or [DefaultInherit] when that is nil.
// Of Holdfast's own variables, HOLDFAST_*, only those are among them that the list
// names as such, and the cluster's secret never is.
// Names match without regard to case on Windows only. The result keeps the order
// of all and is never nil, because [os/exec.Cmd] takes nil for everything.
func (p Process) Environ(all []string) []string {
	return p.environ(all, runtime.GOOS == "windows")
}

func (p Process) environ(all []string, fold bool) []string {
	list := p.Inherit
	if list == nil {
		list = DefaultInherit
	}
	passed := make([]string, 0, len(all))
	for _, entry := range all {
		name, _, ok := strings.Cut(entry, "=")
		if ok && slices.ContainsFunc(list, func(pattern string) bool { return inherits(pattern, name, fold) }) {
			passed = append(passed, entry)
		}
	}
	return passed
}

// inherits reports whether a pattern of the allow-list passes the variable name.
func inherits(pattern, name string, fold bool) bool {
	if passes(ownPrefix+"*", name, fold) && (!passes(ownPrefix+"*", pattern, fold) || isSecretVariable(name, fold)) {
		return false
	}
	return passes(pattern, name, fold)
}

// isSecretVariable reports whether a variable holds the cluster's secret, or
// leads to it.
func isSecretVariable(name string, fold bool) bool { return passes(SecretVariable+"*", name, fold) }

// passes reports whether a pattern of the allow-list stands for name.
func passes(pattern, name string, fold bool) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		if len(name) < len(prefix) {
			return false
		}
		pattern, name = prefix, name[:len(prefix)]
	}
	return pattern == name || fold && strings.EqualFold(pattern, name)
}

// inherit reads the allow-list: names, or one of the words all and none.
func (e *entry) inherit() []string {
	const want = "a list such as [PATH, AWS_*], or all or none"
	m, ok := e.given["inheritEnv"]
	if !ok || m.value.kind == kindNull {
		return nil
	}
	n, path := m.value, e.where(m)
	items := n.items
	switch n.kind {
	case kindString:
		if n.text != "all" && n.text != "none" {
			e.fail(n.line, path, "write a list, also for one name", "want %s, got %s", want, quote(n.text))
			return nil
		}
		items = []*node{n}
	case kindList:
	default:
		e.wrongKind(path, n, want)
		return nil
	}
	list := make([]string, 0, len(items))
	for i, item := range items {
		if name, ok := e.inherited(indexed(path, i), item, len(items) == 1); ok && name != "" {
			list = append(list, name)
		}
	}
	return list
}

// inherited reads one name of the allow-list. The word none is no name.
func (e *entry) inherited(path string, n *node, alone bool) (string, bool) {
	if n.kind != kindString {
		e.wrongKind(path, n, "the name of an environment variable")
		return "", false
	}
	name := strings.TrimSuffix(n.text, "*")
	switch {
	case n.text == "all" && alone:
		return "*", true
	case n.text == "none" && alone:
		return "", true
	case n.text == "all" || n.text == "none":
		e.fail(n.line, path, "leave out the other names, or this word", "%s stands alone", n.text)
		return "", false
	case isSecretVariable(name, runtime.GOOS == "windows"):
		e.fail(n.line, path, "", "%s stays with Holdfast: who knows the cluster's secret is a node", name)
		return "", false
	case n.text == "" || len(n.text) > maxName || strings.ContainsAny(name, "=*${} ") || hasControl(name):
		e.fail(n.line, path, "", "want the name of an environment variable, or a beginning such as AWS_*, got %s", quote(n.text))
		return "", false
	}
	return n.text, true
}
