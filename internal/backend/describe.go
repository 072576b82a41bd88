// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/process"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Describe says for an operator, in one line, why a server cannot be used: what clients
// are not told included, and of what its process wrote last the line that says why.
func Describe(err error) string {
	for { // what is behind that which clients are told
		t, ok := errors.AsType[*told](err)
		if !ok || t.err == nil {
			break
		}
		err = t.err
	}
	text := err.Error()
	if wire, ok := jsonrpc.AsError(err); ok && (!wire.FromPeer() || wire.Code == jsonrpc.CodeInternal) {
		text = strings.TrimSuffix(text, fmt.Sprintf(" (code %d)", wire.Code)) // which says nothing
	}
	text = notStarted.ReplaceAllString(text, "")
	for _, step := range []string{"connect: ", mcp.MethodDiscover + ": ", mcp.MethodInitialize + ": "} {
		text = strings.TrimPrefix(text, step)
	}
	words, spoke := errors.AsType[*lastWordsError](err)
	if spoke {
		text = words.error.Error()
	}
	if exit, ok := errors.AsType[*process.ExitError](err); ok {
		text = exit.Error()
	}
	if slow, ok := errors.AsType[*slowStartError](err); ok {
		text = slow.Error()
	}
	if spoke {
		if why := causeIn(words.lines); why != "" {
			text += ": " + why
		}
	}
	return display.Line(display.Cut(text, maxDescription))
}

// maxDescription bounds a description, in bytes.
const maxDescription = 500

// notStarted is what stands before the reason why a process could not be started. Which
// server it was is known.
var notStarted = regexp.MustCompile(`^not started: (start server "[^"]*": )?`)

var (
	// complaint is what programs write who say why they end.
	complaint = regexp.MustCompile(`(?i)error|fail|fatal|missing|required|must |not found|no such|cannot|can't|could not|unable|denied|refused|invalid|unauthorized|not set|panic|unknown|usage:`)
	// aside is what they write around it: stack frames, what npm adds, the place in the source.
	aside = regexp.MustCompile(`^\s*(at |File "|npm (error|ERR!) (A complete log|    |code |path |command |errno |syscall |signal )|Node\.js v|\^|\}|\]|\{|goroutine |node:internal|\[?npm notice|npm warn|throw )|^\s*$|A complete log of this run|^\S+:\d+$`)
)

// causeIn returns the line of the last ones that most likely says why a process ended.
func causeIn(lines []string) string {
	last := ""
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimSpace(lines[i])
		switch {
		case aside.MatchString(lines[i]):
		case complaint.MatchString(line):
			return firstComplaint(lines[:i+1])
		case last == "":
			last = line
		}
	}
	return last
}

// firstComplaint returns the line with which the complaint begins that ends the lines: of a cause
// and what follows from it, the cause stands first.
func firstComplaint(lines []string) string {
	at := len(lines) - 1
	for i := at - 1; i >= 0 && i >= at-3; i-- {
		if complaint.MatchString(lines[i]) && !aside.MatchString(lines[i]) {
			at = i
		}
	}
	return strings.TrimSpace(lines[at])
}
