// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package ledger counts what happens in a run of a test program and keeps what
// must not have happened. It is for tests only.
package ledger

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

// Ledger counts what happened and keeps what must not. It is safe for
// concurrent use.
type Ledger struct {
	// Pending is the number of calls without an outcome yet; callers keep it.
	Pending atomic.Int64

	name  string
	began time.Time
	out   io.Writer

	mu       sync.Mutex
	counts   map[string]int
	maxima   map[string]int
	breaches []string
	broken   map[string]int // by kind of breach
}

// New returns an empty ledger, of a program of that name, that reports to out.
func New(name string, out io.Writer) *Ledger {
	return &Ledger{name: name, began: time.Now(), out: out, counts: map[string]int{}, maxima: map[string]int{}, broken: map[string]int{}}
}

// Count adds one of a kind.
func (l *Ledger) Count(kind string) { l.Add(kind, 1) }

// Add counts n of a kind.
func (l *Ledger) Add(kind string, n int) {
	l.mu.Lock()
	l.counts[kind] += n
	l.mu.Unlock()
}

// Most keeps the greatest value of a kind.
func (l *Ledger) Most(kind string, n int) {
	l.mu.Lock()
	l.maxima[kind] = max(l.maxima[kind], n)
	l.mu.Unlock()
}

// Counted returns how many of a kind there have been.
func (l *Ledger) Counted(kind string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[kind]
}

// Breach notes that something does not hold which must.
func (l *Ledger) Breach(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken[format]++; l.broken[format] <= maxBreaches {
		l.breaches = append(l.breaches, fmt.Sprintf("at %.1fs: ", time.Since(l.began).Seconds())+fmt.Sprintf(format, args...))
	}
}

// Await waits for those who make calls, which were told to end. Calls that have
// no outcome within the limit are a breach.
func (l *Ledger) Await(callers *sync.WaitGroup, limit time.Duration) {
	done := make(chan struct{})
	go func() { callers.Wait(); close(done) }() // ends with the callers
	select {
	case <-done:
	case <-time.After(limit):
		l.Breach("%d calls are still without an outcome", l.Pending.Load())
	}
}

// Say reports progress.
func (l *Ledger) Say(format string, args ...any) {
	fmt.Fprintf(l.out, "%s %4.0fs: %s\n", l.name, time.Since(l.began).Seconds(), fmt.Sprintf(format, args...))
}

// Table prints the counts.
func (l *Ledger) Table(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, set := range []map[string]int{l.counts, l.maxima} {
		for _, kind := range slices.Sorted(maps.Keys(set)) {
			fmt.Fprintf(w, "  %-44s %8d\n", kind, set[kind])
		}
	}
}

// Verdict is nil when everything held.
func (l *Ledger) Verdict() error {
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
