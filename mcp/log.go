// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import "slices"

// LogLevel is a severity of RFC 5424.
type LogLevel string

var logLevels = []LogLevel{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// Valid reports whether l is one of the eight levels.
func (l LogLevel) Valid() bool { return slices.Contains(logLevels, l) }

// Allows reports whether a message of the given level passes the threshold l.
// An empty threshold lets nothing pass.
func (l LogLevel) Allows(level LogLevel) bool {
	min := slices.Index(logLevels, l)
	return min >= 0 && slices.Index(logLevels, level) >= min
}
