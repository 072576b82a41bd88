// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

// varying is what differs between lines of one kind: what the server puts before a
// line about a connection, and names and numbers in it.
var varying = regexp.MustCompile(`^\S+ - [a-z]+:\d+ - |"[^"]*"|'[^']*'|\d+`)

// maxLine bounds a line, in bytes: strangers can have a say in it.
const maxLine = 1 << 10

// idle are lines about connections between servers, or from strangers, that an
// operator need not see: a node that is lost is reported once, by the members.
var idle = []string{
	"Error trying to connect to route", "handshake", "Error flushing", "Error reading", "Error writing", "Slow Consumer", "Route Error",
	"Rejecting connection", "Detected route to self", "Authorization", "authentication error", "authentication timeout", "parser ERROR", "Readloop",
}

// pass passes a warning or an error on, throttled by its kind: the words without the
// connection and the values.
func (l *serverLog) pass(format string, v []any) {
	kind := varying.ReplaceAllString(format, "")
	level := slog.LevelInfo
	if slices.ContainsFunc(idle, func(words string) bool { return strings.Contains(format, words) }) {
		level = slog.LevelDebug
	}
	l.seen.LogAs(kind, l.log, level, line(format, v))
}

// notice passes a notice on, unless it has the password of the routes in it.
func (l *serverLog) notice(format string, v []any) {
	if !strings.Contains(format, "Removed route") {
		l.log.Debug(line(format, v))
	}
}
