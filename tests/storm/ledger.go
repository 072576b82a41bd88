// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxBreaches bounds how many breaches of one kind are told in full.
const maxBreaches = 5

// ledger counts what happened and keeps what must not. It is safe for
// concurrent use.
type ledger struct {
	began   time.Time
	out     io.Writer
	pending atomic.Int64 // calls without an outcome yet

	mu       sync.Mutex
	counts   map[string]int
	maxima   map[string]int
	breaches []string
	broken   map[string]int // by kind of breach
}

func newLedger(out io.Writer) *ledger {
	return &ledger{began: time.Now(), out: out, counts: map[string]int{}, maxima: map[string]int{}, broken: map[string]int{}}
}

// count adds one of a kind.
func (l *ledger) count(kind string) { l.add(kind, 1) }

func (l *ledger) add(kind string, n int) {
	l.mu.Lock()
	l.counts[kind] += n
	l.mu.Unlock()
}

// most keeps the greatest value of a kind.
func (l *ledger) most(kind string, n int) {
	l.mu.Lock()
	l.maxima[kind] = max(l.maxima[kind], n)
	l.mu.Unlock()
}

// breach notes that something does not hold which must.
func (l *ledger) breach(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken[format]++; l.broken[format] <= maxBreaches {
		l.breaches = append(l.breaches, fmt.Sprintf("at %.1fs: ", time.Since(l.began).Seconds())+fmt.Sprintf(format, args...))
	}
}

// say reports progress.
func (l *ledger) say(format string, args ...any) {
	fmt.Fprintf(l.out, "storm %4.0fs: %s\n", time.Since(l.began).Seconds(), fmt.Sprintf(format, args...))
}

// table prints the counts.
func (l *ledger) table(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, set := range []map[string]int{l.counts, l.maxima} {
		for _, kind := range slices.Sorted(maps.Keys(set)) {
			fmt.Fprintf(w, "  %-44s %8d\n", kind, set[kind])
		}
	}
}

// verdict is nil when everything held.
func (l *ledger) verdict() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	total := 0
	for _, n := range l.broken {
		total += n
	}
	if total == 0 {
		return nil
	}
	return &brokenError{total: total, told: slices.Clone(l.breaches)}
}

// brokenError tells what did not hold.
type brokenError struct {
	total int
	told  []string
}

func (e *brokenError) Error() string {
	text := fmt.Sprintf("%d times something did not hold that must:", e.total)
	for _, b := range e.told {
		text += "\n  " + b
	}
	if n := e.total - len(e.told); n > 0 {
		text += fmt.Sprintf("\n  and %d like these", n)
	}
	return text
}
