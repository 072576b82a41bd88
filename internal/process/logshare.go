// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// What all processes of one server together may write to the log in a second.
const (
	shareLines = 200
	shareBytes = 64 << 10
)

// logShare is what one server may still write to the log in this second, and what it wrote beyond that. Safe for concurrent use.
type logShare struct {
	mu           sync.Mutex
	second       time.Time // when it began
	lines, bytes int       // that were admitted since
	lost         dropped
}

// dropped is what was not written.
type dropped struct{ lines, bytes int }

// admit takes a line of so many bytes into account and tells whether it may be written, and what is to be said first of those that were
// dropped before.
func (s *logShare) admit(size int, now time.Time) (ok bool, missing string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.second) >= time.Second {
		s.second, s.lines, s.bytes = now, 0, 0
		missing = s.lost.say()
	}
	if s.lines >= shareLines || s.bytes+size > shareBytes {
		s.lost.add(size)
		return false, missing
	}
	s.lines++
	s.bytes += size
	return true, missing
}

// drop counts a line that was not written for another reason.
func (s *logShare) drop(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost.add(size)
}

// missing returns what is to be said of lines that were dropped; empty if none were.
func (s *logShare) missing() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost.say()
}

func (d *dropped) add(size int) {
	d.lines++
	d.bytes += size
}

// say puts it into words and forgets it.
func (d *dropped) say() string {
	if d.lines == 0 {
		return ""
	}
	text := fmt.Sprintf("%s %d lines dropped, %d bytes", ellipsis, d.lines, d.bytes)
	*d = dropped{}
	return text
}

// logShares has the share of each server by name, of which there are as many as in the configuration.
type logShares struct {
	mu     sync.Mutex
	byName map[string]*logShare
}

func (l *logShares) of(name string) *logShare {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byName == nil {
		l.byName = map[string]*logShare{}
	}
	s := l.byName[name]
	if s == nil {
		s = &logShare{}
		l.byName[name] = s
	}
	return s
}

// maxPrinted is about how long a line may get by escapes, in bytes: a log handler makes it a quarter longer again, and 8 KiB are enough.
const maxPrinted = 6 << 10

// printable writes characters that could move a cursor, hide or reorder text as escapes of Go: control characters except the tab, C1,
// format and bidi characters, line separators and what is no UTF-8. Log handlers do so for some of them only.
func printable(line string) string {
	plain := func(r rune, size int) bool {
		return r == '\t' || strconv.IsPrint(r) && !(r == utf8.RuneError && size == 1)
	}
	rest := line
	for len(rest) > 0 {
		r, size := utf8.DecodeRuneInString(rest)
		if !plain(r, size) {
			break
		}
		rest = rest[size:]
	}
	if rest == "" {
		return line
	}
	var out strings.Builder
	out.WriteString(line[:len(line)-len(rest)])
	for len(rest) > 0 {
		if out.Len() > maxPrinted {
			out.WriteString(ellipsis)
			break
		}
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case plain(r, size):
			out.WriteString(rest[:size])
		default:
			quoted := strconv.Quote(rest[:size])
			out.WriteString(quoted[1 : len(quoted)-1])
		}
		rest = rest[size:]
	}
	return out.String()
}
