// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	tolerated  = 5 // failures in a row that do not open the breaker
	firstPause = 200 * time.Millisecond
	maxPause   = 30 * time.Second
)

// What a failure weighs. A process that dies soon after its start is on its way
// into a loop, one that is silent was asked for calls that timed out together, and
// one that does not start opens the breaker at once.
const (
	failedCall  = 1
	youngDeath  = 2
	foundSilent = 2
	failedStart = tolerated + 1
)

// breaker keeps calls away from a server that cannot be used; what one call may come
// to is no failure (see outage). Closed, everything
// passes. Open, calls are refused at once, except one per pause, which tries
// the server; each failure doubles the pause, one success closes the breaker.
// It is safe for concurrent use, and free of locks while all goes well.
type breaker struct {
	changed func() // called, without locks, when it opens or closes

	sound   atomic.Bool   // closed and without failures: nothing to do
	answers atomic.Uint64 // successes so far

	mu     sync.Mutex
	fails  int // in a row
	open   bool
	trying bool // when open: somebody was let through and is not back yet
	start  bool // opened by a failed start, not by calls
	pause  time.Duration
	failed time.Time // the last failure
	next   time.Time // when open: nothing passes before
	reason error     // that clients may be told

	asked time.Time     // when a call last had the server tried
	wait  time.Duration // until a call may do so again
}

func newBreaker(changed func()) *breaker {
	b := &breaker{changed: changed}
	b.sound.Store(true)
	return b
}

// allow returns why a call must not be made now, or nil.
func (b *breaker) allow() error {
	if b.sound.Load() {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return nil
	}
	now := time.Now()
	switch {
	case b.start && b.trying: // it joins the start that is under way
		return nil
	case now.Before(b.next):
		return b.refusal(now)
	}
	b.next, b.trying = now.Add(b.pause), true
	return nil
}

// refusal is why nothing passes now. b.mu is held.
func (b *breaker) refusal(now time.Time) error {
	return &told{fmt.Sprintf("%v (next attempt in %s)", b.reason, b.next.Sub(now).Round(100*time.Millisecond)), b.reason}
}

// callPause is how soon after a call that had a start tried another may have the next.
const callPause = time.Second

// allowCall is allow for a client's call, which is worth a start at once: it joins one
// that is under way, and else does not wait for the pause. Calls that go on asking wait
// twice as long each time.
func (b *breaker) allowCall() error {
	if b.sound.Load() {
		return nil
	}
	b.mu.Lock()
	if !b.open || !b.start {
		b.mu.Unlock()
		return b.allow()
	}
	defer b.mu.Unlock()
	if b.trying {
		return nil
	}
	now := time.Now()
	quiet := now.Sub(b.asked)
	if now.Before(b.next) && quiet < b.wait {
		return b.refusal(now)
	}
	b.wait = min(2*b.wait, maxPause)
	if b.asked.IsZero() || quiet > 2*maxPause {
		b.wait = callPause
	}
	b.asked, b.next, b.trying = now, now.Add(b.pause), true
	return nil
}

// success closes the breaker. That of a mere list is a weak one: a server that
// answers it and dies over each call is not well. It closes what a failed start
// opened, and what calls did only when none has failed for a while.
func (b *breaker) success(weak bool) {
	b.answers.Add(1)
	if b.sound.Load() {
		return
	}
	b.mu.Lock()
	was := b.open
	b.trying = false
	switch {
	case !weak, was && b.start:
		b.fails, b.open, b.pause, b.reason = 0, false, 0, nil
		b.sound.Store(true)
	case was && time.Since(b.failed) > maxPause:
		b.fails, b.open = tolerated, false // the next failure opens it again, for longer
	}
	closed := was && !b.open
	b.mu.Unlock()
	if closed {
		b.changed()
	}
}

// failure counts a failure by its weight. While the breaker is open, only the
// failure of who was let through since counts: all others tell of what opened
// it, once more.
func (b *breaker) failure(err error, weight int) {
	b.mu.Lock()
	if b.open && !b.trying {
		b.mu.Unlock()
		return
	}
	b.trying = false
	b.sound.Store(false)
	b.fails += weight
	b.failed = time.Now()
	was := b.open
	if b.open || b.fails > tolerated {
		b.open, b.start = true, weight >= failedStart
		b.pause = min(max(2*b.pause, firstPause), maxPause)
		b.next = time.Now().Add(b.pause)
		b.reason = err
	}
	opened := b.open && !was
	b.mu.Unlock()
	if opened {
		b.changed()
	}
}

// status tells whether calls pass.
func (b *breaker) status() Status {
	if b.sound.Load() {
		return Status{Up: true}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open {
		return Status{Reason: b.reason.Error()}
	}
	return Status{Up: true}
}
