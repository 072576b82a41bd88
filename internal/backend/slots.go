// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/share"
)

// Slots bounds how many instances there are at once. When none is free, an instance
// that is idle is stopped to make room; while all have calls in flight, new ones
// wait. Callers have shares and take turns, see package share, and it is the instance
// of who holds most that makes room. It is safe for concurrent use and owns no
// goroutine.
type Slots struct {
	noun string // what is counted, in errors
	knob string // that raises the bound, in errors
	max  int

	wanted atomic.Int32 // how many wait; idle reads it without the lock

	mu       sync.Mutex
	shares   *share.Shares
	line     share.Line[share.Caller]
	evicting int // instances being stopped for those that wait
	members  []idler
}

// idler has instances that can be stopped.
type idler interface {
	// idle yields each instance with a slot of s that has no calls, and each spare.
	idle(s *Slots, yield func(candidate))
	// evict stops what idle has yielded and calls s.evicted when its slot is free. It
	// reports false when that cannot be stopped any more. It does not wait.
	evict(s *Slots, c candidate) bool
}

// candidate is an instance that can be stopped to make room.
type candidate struct {
	since, born time.Time    // when it became idle, and when it was started
	caller      share.Caller // for whom it was started; zero if for all
	link        *link        // nil for a spare
	of          idler
}

// fresh is how long an instance without calls counts as in use: its session is likely
// to call again.
const fresh = time.Minute

// NewSlots returns n free slots for the child processes of all servers.
func NewSlots(n int) *Slots { return newSlots(n, "processes of all servers", "limits.processes") }

func newSlots(n int, noun, knob string) *Slots {
	return &Slots{noun: noun, knob: knob, max: n, shares: share.New(n, n)}
}

func (s *Slots) join(m idler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = append(s.members, m)
}

func (s *Slots) leave(m idler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = slices.DeleteFunc(s.members, func(x idler) bool { return x == m })
}

// fits reports whether a caller may take a free slot. What is for all has no share.
// s.mu is held.
func (s *Slots) fits(c share.Caller) bool {
	return c == share.Caller{} && !s.shares.Full() || s.shares.Fits(c)
}

// try takes a slot for all if one is free and nobody waits for it.
func (s *Slots) try() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shares.Full() || s.line.Len() > 0 {
		return false
	}
	s.shares.Take(share.Caller{})
	return true
}

// acquire takes a slot for a caller, waiting for one until ctx ends.
func (s *Slots) acquire(ctx context.Context, c share.Caller) error {
	s.mu.Lock()
	if s.fits(c) {
		s.shares.Take(c)
		s.mu.Unlock()
		return nil
	}
	w := s.line.Add(c)
	s.wanted.Store(int32(s.line.Len()))
	s.makeRoom()
	s.mu.Unlock()
	select {
	case <-w.Granted:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.line.Leave(w) {
		s.shares.Give(c)
		s.grant(false)
	}
	s.wanted.Store(int32(s.line.Len()))
	return s.full(c)
}

// lack returns why a caller cannot have a slot now, nil if it can.
func (s *Slots) lack(c share.Caller) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fits(c) {
		return nil
	}
	return s.full(c)
}

// full is the error of who finds no slot. s.mu is held.
func (s *Slots) full(c share.Caller) error {
	own, _ := s.shares.Held(c)
	return fmt.Errorf("%w: %d of at most %d %s are in use, %d of them by this client; %s raises the bound",
		errBusy, s.shares.Used(), s.max, s.noun, own, s.knob)
}

// pass counts a slot for another caller.
func (s *Slots) pass(from, to share.Caller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shares.Give(from)
	s.shares.Take(to)
}

// release gives a caller's slot back; evicted says that it was freed by evict.
func (s *Slots) release(c share.Caller, evicted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shares.Give(c)
	s.grant(evicted)
	if evicted {
		s.evicting--
		s.makeRoom()
	}
}

// grant lets those who wait have what is free. What was made free for them goes to one
// of them in any case, in place of what was stopped. s.mu is held.
func (s *Slots) grant(evicted bool) {
	for s.line.Len() > 0 && !s.shares.Full() {
		c, ok := s.line.Next(s.fits)
		if !ok && evicted {
			c, ok = s.line.Next(func(share.Caller) bool { return true })
		}
		if !ok {
			break
		}
		evicted = false
		s.shares.Take(c)
	}
	s.wanted.Store(int32(s.line.Len()))
}

// idle tells that an instance has become idle: somebody may be waiting for it.
func (s *Slots) idle() {
	if s.wanted.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom()
}

// makeRoom has as many idle instances stopped as others wait for. s.mu is held,
// which the members' own locks come after.
func (s *Slots) makeRoom() {
	for s.evicting < s.line.Len() {
		best, found := s.spared()
		if !found {
			return
		}
		if best.of.evict(s, best) {
			s.evicting++
		}
	}
}

// spared returns the instance that is spared most easily. s.mu is held.
func (s *Slots) spared() (best candidate, found bool) {
	now := time.Now()
	for _, m := range s.members {
		m.idle(s, func(c candidate) {
			if !found || s.before(c, best, now) {
				best, found = c, true
			}
		})
	}
	return best, found
}

// before reports whether a is to be stopped rather than b: a spare first, then what
// has not been called for a while, the idlest first. Else somebody loses what he
// uses: the client that holds most, and of what it holds what was started last, so
// that newcomers do not drive out who was there before. s.mu is held.
func (s *Slots) before(a, b candidate, now time.Time) bool {
	if spare := a.link == nil; spare != (b.link == nil) {
		return spare
	}
	stale := now.Sub(a.since) >= fresh
	if stale != (now.Sub(b.since) >= fresh) {
		return stale
	}
	if stale || a.link == nil {
		return a.since.Before(b.since)
	}
	if all := a.caller == (share.Caller{}); all != (b.caller == share.Caller{}) {
		return !all // what is everybody's goes last
	}
	memberA, groupA := s.shares.Held(a.caller)
	memberB, groupB := s.shares.Held(b.caller)
	switch {
	case groupA != groupB:
		return groupA > groupB
	case memberA != memberB:
		return memberA > memberB
	}
	return a.born.After(b.born)
}
