// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// What servers say goes to a person's terminal, where a few characters change its
// title, write to its clipboard, hide lines or turn text around. So commands print
// it through the functions of this file, which show such characters as \x1b or
// \u202e, to a terminal and to anything else: a pipe may end in one, as that of
// less -R does, and what a file holds is looked at later. Nothing is ever printed
// raw. Programs take --json, which is exact, and safe too: there the same
// characters are escaped as JSON escapes them.

// line is a value that is shown on one line.
type line string

// printf prints for a person. Arguments that are strings, errors or anything else
// that is not a number are shown in as many lines as they have, a [line] in one.
func printf(w io.Writer, format string, args ...any) {
	args = slices.Clone(args)
	for i, a := range args {
		switch v := a.(type) {
		case line:
			args[i] = display.Line(string(v))
		case bool, int, int64, uint64, float64:
		default:
			args[i] = display.Text(fmt.Sprint(v))
		}
	}
	fmt.Fprintf(w, format, args...)
}

// shown is the value as it is printed.
func (l line) shown() string { return display.Line(string(l)) }

// shownWriter prints for a person what a program writes.
type shownWriter struct{ w io.Writer }

// Write implements [io.Writer].
func (s *shownWriter) Write(text []byte) (int, error) {
	printf(s.w, "%s", string(text))
	return len(text), nil
}

// printRaw prints JSON as a server sent it, for programs.
func printRaw(w io.Writer, value jsonrpc.Raw) error {
	_, err := fmt.Fprintf(w, "%s\n", display.JSON(value))
	return err
}

// printPretty prints JSON for a person.
func printPretty(w io.Writer, value jsonrpc.Raw) {
	pretty := value.Clone()
	if err := pretty.Indent(jsontext.WithIndent("  ")); err == nil {
		value = pretty
	}
	fmt.Fprintf(w, "%s\n", display.JSON(value))
}
