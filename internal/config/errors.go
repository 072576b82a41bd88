// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/display"
)

// maxErrors is how many mistakes are reported at once, maxKept how many are
// collected before they are sorted.
const (
	maxErrors = 20
	maxKept   = 1000
)

// Error is one mistake in a configuration file. It holds no secret values.
type Error struct {
	File    string
	Line    int    // from 1; 0 when the mistake has no place in the file
	Path    string // such as mcpServers.files.args[0]; empty for the file itself
	Message string // what is wrong
	Hint    string // what may be meant or done; often empty

	cause error
}

// Error returns "file:line: path: message; hint", without the parts that are empty.
func (e *Error) Error() string {
	place := e.File
	if e.Line > 0 {
		place += ":" + strconv.Itoa(e.Line)
	}
	return place + ": " + e.what(e.Path)
}

// what says the mistake without its file and line, at path.
func (e *Error) what(path string) string {
	text := e.Message
	if path != "" {
		text = path + ": " + text
	}
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Unwrap returns the cause, such as a failure to open the file, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Errors are the mistakes found in one file, by line. [Load] and [Parse] return
// no other error.
type Errors struct {
	List    []*Error // at least one, at most 20
	Omitted int      // how many more there were
}

// Error returns one line for each mistake.
func (e *Errors) Error() string {
	lines := make([]string, 0, len(e.List)+1)
	for _, one := range e.List {
		lines = append(lines, one.Error())
	}
	if e.Omitted > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.Omitted))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the mistakes for [errors.Is] and [errors.As].
func (e *Errors) Unwrap() []error {
	all := make([]error, len(e.List))
	for i, one := range e.List {
		all[i] = one
	}
	return all
}

// add keeps a mistake, or only counts it when there are very many.
func (e *Errors) add(one *Error) {
	if len(e.List) < maxKept {
		e.List = append(e.List, one)
	} else {
		e.Omitted++
	}
}

// merge adds the mistakes of other.
func (e *Errors) merge(other *Errors) {
	for _, one := range other.List {
		e.add(one)
	}
	e.Omitted += other.Omitted
}

// maxFaults is how many mistakes of an entry its server's Fault tells.
const maxFaults = 3

// fault says in one line what is wrong in the entry at path.
func (e *Errors) fault(path string) string {
	var all []string
	for i, one := range e.List {
		if i == maxFaults {
			all = append(all, fmt.Sprintf("and %d more", len(e.List)-i+e.Omitted))
			break
		}
		all = append(all, one.what(strings.TrimPrefix(strings.TrimPrefix(one.Path, path), ".")))
	}
	return strings.Join(all, "; ")
}

// result returns nil when there is no mistake, else the first ones by line.
func (e *Errors) result() error {
	if len(e.List) == 0 {
		return nil
	}
	byLine(e.List)
	if extra := len(e.List) - maxErrors; extra > 0 {
		e.List, e.Omitted = e.List[:maxErrors], e.Omitted+extra
	}
	return e
}

func byLine(list []*Error) {
	slices.SortStableFunc(list, func(a, b *Error) int { return a.Line - b.Line })
}

// isPlain reports whether key can stand in a path without quotes.
func isPlain(key string) bool {
	for _, c := range key {
		if !isWord(c) && c != '-' && c != '$' {
			return false
		}
	}
	return key != ""
}

func isWord(c rune) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// join extends a path by a key of a mapping.
func join(path, key string) string {
	if !isPlain(key) {
		key = quote(key)
	} else {
		key = shorten(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// indexed extends a path by a place in a list.
func indexed(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// quote makes text of the file fit for a message: printable, on one line, short.
func quote(s string) string { return display.Quote(s) }

func shorten(s string) string { return display.Short(s) }
