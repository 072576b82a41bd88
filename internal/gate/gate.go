// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package gate counts work in flight: it bounds how much there is, refuses more
// once it is closed, and tells when none is left. It starts no goroutine.
package gate

import "sync"

// Gate counts what is inside, up to a maximum, and can be closed for good. It is
// safe for concurrent use.
type Gate struct {
	max int

	mu     sync.Mutex
	inside int
	closed bool          // to new work
	shut   bool          // to all work
	idle   chan struct{} // closed, and replaced by nil, when nothing is inside
}

// New returns an open gate that lets at most n in at once.
func New(n int) *Gate { return &Gate{max: n} }

// Enter reports whether one more may come in. Each success needs a [Gate.Leave].
func (g *Gate) Enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	return g.enter()
}

// Continue is Enter for the continuation of work that came in before: a closed
// gate lets it in too.
func (g *Gate) Continue() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.enter()
}

// enter counts one more. g.mu is held.
func (g *Gate) enter() bool {
	if g.shut || g.inside >= g.max {
		return false
	}
	g.inside++
	return true
}

// Leave takes back one success of Enter or Continue.
func (g *Gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
}

// Count returns how many are inside.
func (g *Gate) Count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside
}

// Idle returns a channel that is closed as soon as nothing is inside.
func (g *Gate) Idle() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.whenIdle()
}

// whenIdle is Idle. g.mu is held.
func (g *Gate) whenIdle() <-chan struct{} {
	if g.inside == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if g.idle == nil {
		g.idle = make(chan struct{})
	}
	return g.idle
}

// Close refuses new work from now on and returns [Gate.Idle]. It is idempotent.
func (g *Gate) Close() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	return g.whenIdle()
}

// Shut is Close that refuses continuations too.
func (g *Gate) Shut() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed, g.shut = true, true
	return g.whenIdle()
}
