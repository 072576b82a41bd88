// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package throttle keeps log lines that a stranger can cause, as often as he
// likes and as long as he likes, from filling the log. It starts no goroutine.
package throttle

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// every is the time between two lines of one kind.
const every = 10 * time.Second

// MaxText bounds what a line quotes of a stranger's words, in bytes.
const MaxText = 200

// Line is one kind of log line, written once in ten seconds at most. The next
// one says how many were left out before it. The zero Line is ready; it is safe
// for concurrent use.
type Line struct {
	mu   sync.Mutex
	next time.Time // before then the line is left out
	left int       // since the last that was written
}

// Log writes the line, unless one was written just before. When some were left
// out since, their number is the attribute "left_out".
func (l *Line) Log(log *slog.Logger, level slog.Level, msg string, args ...any) {
	left, ok := l.ready(time.Now())
	if !ok {
		return
	}
	if left > 0 {
		args = append(args, "left_out", left)
	}
	log.Log(context.Background(), level, msg, args...)
}

func (l *Line) ready(now time.Time) (left int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.next) {
		l.left++
		return 0, false
	}
	left, l.left, l.next = l.left, 0, now.Add(every)
	return left, true
}

// Short returns the beginning of a text for a log line: at most [MaxText] bytes of it.
func Short(s string) string {
	if len(s) <= MaxText {
		return s
	}
	return strings.ToValidUTF8(s[:MaxText], "") + "…"
}
