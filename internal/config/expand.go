// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// expand puts variables into the text of a scalar and, where files are allowed,
// the content of secret files. It reports what is wrong and then returns false.
// Messages never contain the text itself, which may be a secret.
func (p *parser) expand(path string, n *node, files bool) (string, bool) {
	if files {
		if name, ok := strings.CutPrefix(n.text, "file:"); ok && isSecretPath(name) {
			return p.expandFile(path, n, name)
		}
	}
	return p.expandText(path, n, n.text, files)
}

// openCodeVariable is a variable as OpenCode writes it. A $ before it makes it another's.
var openCodeVariable = regexp.MustCompile(`(^|[^$])\{env:([A-Za-z_]\w*)\}`)

// expandFile handles a value that is a file: reference as a whole. The path may
// hold variables; the content of the file is taken as it is.
func (p *parser) expandFile(path string, n *node, name string) (string, bool) {
	name, ok := p.expandText(path, n, name, false)
	if !ok {
		return "", false
	}
	content, err := p.secretFile(name)
	if err != nil {
		p.fail(n.line, path, "", "%v", err)
		return "", false
	}
	return content, true
}

// isSecretPath reports whether the text behind file: is meant as a path to read:
// an absolute one, or one that begins with a variable. "//" begins a URL.
func isSecretPath(name string) bool {
	return !strings.HasPrefix(name, "//") && (filepath.IsAbs(name) || strings.HasPrefix(name, "${"))
}

func (p *parser) expandText(path string, n *node, text string, files bool) (string, bool) {
	if p.client {
		for range 2 { // of two side by side the second is found then
			text = openCodeVariable.ReplaceAllString(text, "${1}$${${2}}")
		}
	}
	var out strings.Builder
	for rest := text; ; {
		dollar := strings.IndexByte(rest, '$')
		if dollar < 0 {
			out.WriteString(rest)
			break
		}
		out.WriteString(rest[:dollar])
		rest = rest[dollar:]
		switch {
		case strings.HasPrefix(rest, "$${"):
			out.WriteString("${")
			rest = rest[len("$${"):]
		case strings.HasPrefix(rest, "${"):
			inner, after, closed := cutVariable(rest)
			if !closed {
				p.fail(n.line, path, "write $${ for a literal ${", "a variable ${ without its }")
				return "", false
			}
			value, err := p.variable(inner, files)
			if err == nil {
				err = p.grow(len(value), out.Len()+len(value))
			}
			if err != nil {
				hint := ""
				if unset, ok := errors.AsType[*unsetError](err); ok {
					hint = fmt.Sprintf("set it, or give a default: ${%s:-value}", unset.name)
				}
				p.fail(n.line, path, hint, "%v", err)
				return "", false
			}
			out.WriteString(value)
			rest = after
		default:
			out.WriteByte('$')
			rest = rest[1:]
		}
	}
	return out.String(), true
}

// cutVariable splits text that begins with ${ behind the variable. Continue writes
// ${{ secrets.NAME }}.
func cutVariable(text string) (inner, after string, closed bool) {
	if double, ok := strings.CutPrefix(text, "${{"); ok {
		inner, after, closed = strings.Cut(double, "}}")
		inner = strings.TrimSpace(inner)
		for _, from := range []string{"secrets.", "inputs.", "env."} {
			inner = strings.TrimPrefix(inner, from)
		}
		return inner, after, closed
	}
	return strings.Cut(text[len("${"):], "}")
}

// grow counts what expansion adds to the file: a small file must not become a
// large configuration.
func (p *parser) grow(more, value int) error {
	if p.grown += more; p.grown > maxGrowth {
		return fmt.Errorf("variables and secret files add more than %s to this file", formatSize(maxGrowth))
	}
	if value > maxValue {
		return fmt.Errorf("the value is over %s long after its variables are put in", formatSize(maxValue))
	}
	return nil
}

// unsetError is a variable that the environment does not have.
type unsetError struct{ name string }

func (e *unsetError) Error() string { return "variable " + e.name + " is not set" }

// variable returns the value of what stands between ${ and }.
func (p *parser) variable(inner string, files bool) (string, error) {
	if name, ok := strings.CutPrefix(inner, "file:"); ok { // as Windsurf writes it
		if !files {
			return "", errors.New("${file:} is read in the values of env and headers only")
		}
		return p.secretFile(name)
	}
	if id, ok := strings.CutPrefix(inner, "input:"); ok {
		return p.input(id)
	}
	plain := strings.TrimPrefix(inner, "env:")
	name, fallback, hasFallback := strings.Cut(plain, ":-")
	if strings.Contains(fallback, "${") {
		return "", errors.New("a default cannot hold another variable")
	}
	if isSecretVariable(name, runtime.GOOS == "windows") {
		return "", fmt.Errorf("%s stays with Holdfast: who knows the cluster's secret is a node", name)
	}
	value, set := "", false
	if isVariable(name) {
		value, set = p.lookup(name)
	}
	switch {
	case hasFallback && value == "" && isVariable(name):
		return fallback, nil
	case set:
		return value, nil
	}
	if value, ok := p.predefined(inner); ok {
		return value, nil
	}
	if !isVariable(name) {
		return "", fmt.Errorf("${%s} is not the name of a variable; write $${ for a literal ${", shorten(inner))
	}
	return "", &unsetError{name}
}

// input returns what an editor would ask its user for. Here nobody is asked: it is in
// a variable, ${input:api-key} in INPUT_API_KEY, or what the editor would propose.
func (p *parser) input(id string) (string, error) {
	name := "INPUT_" + strings.Map(func(r rune) rune {
		if isWord(r) {
			return unicode.ToUpper(r)
		}
		return '_'
	}, id)
	if value, ok := p.lookup(name); ok && isVariable(name) {
		return value, nil
	}
	if value, ok := p.proposed[id]; ok {
		return value, nil
	}
	return "", fmt.Errorf("an editor asks its user for ${input:%s}; set the variable %s, or write one such as ${env:TOKEN} instead", shorten(id), shorten(name))
}

func isVariable(name string) bool {
	for _, c := range name {
		if !isWord(c) {
			return false
		}
	}
	return name != "" && len(name) <= maxName && (name[0] < '0' || name[0] > '9')
}

// predefined returns the variables that VS Code and Cursor define themselves. The
// workspace is where the file is, or the folder above when it is in .vscode,
// .cursor or the like.
func (p *parser) predefined(name string) (string, bool) {
	switch name {
	case "pathSeparator", "/":
		return string(filepath.Separator), true
	case "userHome":
		variable := "HOME"
		if runtime.GOOS == "windows" {
			variable = "USERPROFILE"
		}
		return p.lookup(variable)
	case "workspaceFolder", "workspaceFolderBasename":
		file, err := filepath.Abs(p.file)
		if err != nil {
			return "", false
		}
		dir := filepath.Dir(file)
		if base := filepath.Base(dir); strings.HasPrefix(base, ".") && base != "." {
			dir = filepath.Dir(dir)
		}
		if name == "workspaceFolderBasename" {
			return filepath.Base(dir), true
		}
		return dir, true
	}
	return "", false
}

// secretFile returns the text of a file without its last line break.
func (p *parser) secretFile(name string) (string, error) {
	if !filepath.IsAbs(name) {
		return "", fmt.Errorf("want an absolute path after file:, got %s", quote(name))
	}
	if p.isSecretFile(name) {
		return "", fmt.Errorf("%s holds the cluster's secret, which stays with Holdfast: who knows it is a node", quote(name))
	}
	data, err := p.readFile(name)
	if err != nil {
		return "", fmt.Errorf("read %s: %s", quote(name), fileProblem(err))
	}
	if !utf8.Valid(data) {
		return "", fmt.Errorf("read %s: not UTF-8 text", quote(name))
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	return text, p.grow(len(text), len(text))
}

// isSecretFile reports whether the name is one of the file that holds the
// cluster's secret.
func (p *parser) isSecretFile(name string) bool {
	secret, ok := p.lookup(SecretFileVariable)
	if !ok || secret == "" {
		return false
	}
	a, err := os.Stat(name)
	if err != nil {
		return false // who reads it says so
	}
	b, err := os.Stat(secret)
	return err == nil && os.SameFile(a, b)
}

// envFile reads lines of NAME=value into vars, as VS Code's and Cursor's envFile
// key wants: # begins a comment line, export may precede the name, and one pair
// of quotes around the value is taken off. Values are not expanded. The cluster's
// secret, which a file of all variables may hold, is left out.
func (p *parser) envFile(path string, n *node, name string, vars map[string]Secret) {
	data, err := p.readFile(name)
	if err != nil {
		p.fail(n.line, path, "", "read %s: %s", quote(name), fileProblem(err))
		return
	}
	if err := p.grow(len(data), 0); err != nil || !utf8.Valid(data) {
		p.fail(n.line, path, "", "read %s: too large or not UTF-8 text", quote(name))
		return
	}
	line := 0
	for text := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		line++
		text = strings.TrimSpace(text)
		if text == "" || text[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(strings.TrimPrefix(text, "export "), "=")
		key, value = strings.TrimSpace(key), unquote(strings.TrimSpace(value))
		bad := !ok || !isVariable(key) || strings.ContainsRune(value, 0)
		if bad && p.lenient() { // clients skip it
			p.notice(n.line, path, fmt.Sprintf("%s: line %d is ignored: it is not NAME=value", quote(name), line))
			continue
		}
		if bad {
			p.fail(n.line, path, "", "%s: line %d is not NAME=value", quote(name), line)
			return
		}
		if isSecretVariable(key, runtime.GOOS == "windows") {
			p.notice(n.line, path, fmt.Sprintf("%s: %s is left out: it is for Holdfast, not for servers", quote(name), key))
			continue
		}
		vars[key] = Secret(value)
	}
}

func unquote(s string) string {
	if n := len(s); n >= 2 && s[0] == s[n-1] && (s[0] == '"' || s[0] == '\'') {
		return s[1 : n-1]
	}
	return s
}
