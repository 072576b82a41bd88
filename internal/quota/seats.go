// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/share"
)

// Seats part the processors between clients: of all messages as many are served
// at once as there are seats, and whoever has to wait for a seat is admitted client by client,
// however much each of them has sent. Without them what one client sends in a burst
// stands before all that others send after it.
//
// A seat is for work, not for waiting: who is going to wait gives it back. Those who
// do not are no longer counted when others want to sit down, after [sitting] when no
// seat has been given back in it, and after [sittings] of these in any case. So a seat
// can be lost for a moment only.
//
// Taking a free seat costs one atomic operation. Seats are safe for concurrent use. A
// nil *Seats has room for everybody.
type Seats struct {
	max   uint32
	state atomic.Uint64 // somebody waits | epoch | seats taken in it

	mu    sync.Mutex // held while somebody waits, by whoever changes state then
	line  share.Line[Client]
	clock *time.Timer // runs while somebody waits
	left  bool        // somebody has given a seat back since the clock was set
	rings int         // of the clock in this epoch
}

// Parts of the state.
const (
	awaited   = 1 << 63
	epochUnit = 1 << 32
	epochMask = awaited - epochUnit
)

// How long a seat is counted when others wait for one.
const (
	sitting  = 5 * time.Millisecond
	sittings = 20
)

// NewSeats returns n seats.
func NewSeats(n int) *Seats { return &Seats{max: uint32(n)} }

// Taken returns how many seats are taken.
func (s *Seats) Taken() int { return int(uint32(s.state.Load())) }

// Seat is what one message has of Seats while it is worked at. The zero Seat has
// nothing. Leave is safe for concurrent use, also with Enter.
type Seat struct {
	of    *Seats
	epoch atomic.Uint64 // in which it was taken, and 1; 0 when it is given back
}

// Enter takes a seat for the message of a client at a remote address, host:port. It
// waits until it is the client's turn.
func (t *Seat) Enter(s *Seats, remote string) {
	if s == nil {
		return
	}
	t.of = s
	for {
		state, ok := s.take()
		if ok {
			t.epoch.Store(state&epochMask | 1)
			return
		}
		if w := s.queue(Remote(remote)); w != nil {
			<-w.Granted
			runtime.Gosched() // or those who sit down, one after the other, would leave no time to others who run
			// When an epoch has begun since, one more than there are seats may sit in it.
			t.epoch.Store(s.state.Load()&epochMask | 1)
			return
		}
	}
}

// take takes a free seat.
func (s *Seats) take() (state uint64, ok bool) {
	for {
		state := s.state.Load()
		if state&awaited != 0 || uint32(state) >= s.max {
			return state, false
		}
		if s.state.CompareAndSwap(state, state+1) {
			return state, true
		}
	}
}

// queue puts a client in the line; nil when a seat has become free.
func (s *Seats) queue(c Client) *share.Waiter[Client] {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		state := s.state.Load()
		if state&awaited != 0 {
			break
		}
		if uint32(state) < s.max {
			return nil
		}
		if s.state.CompareAndSwap(state, state|awaited) {
			s.rings = 0
			s.tick()
			break
		}
	}
	return s.line.Add(c)
}

// Leave gives the seat back; idempotent.
func (t *Seat) Leave() {
	if t == nil {
		return
	}
	epoch := t.epoch.Swap(0)
	if epoch == 0 {
		return
	}
	for {
		state := t.of.state.Load()
		switch {
		case state&epochMask != epoch&epochMask || uint32(state) == 0:
			return // it does not count any more
		case state&awaited != 0:
			t.of.pass(epoch & epochMask)
			return
		case t.of.state.CompareAndSwap(state, state-1):
			return
		}
	}
}

// pass gives a seat that was taken in an epoch to who waits.
func (s *Seats) pass(epoch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		state := s.state.Load()
		switch {
		case state&epochMask != epoch || uint32(state) == 0:
			return
		case state&awaited != 0:
			s.left = true
			s.admit(state - 1)
			return
		case s.state.CompareAndSwap(state, state-1): // nobody waits any more
			return
		}
	}
}

// admit lets in who waits while there are seats. mu is held, and somebody waits.
func (s *Seats) admit(state uint64) {
	for uint32(state) < s.max && s.line.Len() > 0 {
		state++
		s.state.Store(state) // before who is let in looks for its epoch
		s.line.Next(everybody)
	}
	if s.line.Len() == 0 {
		state &^= awaited
		s.clock.Stop()
	}
	s.state.Store(state)
}

func everybody(Client) bool { return true }

// tick has the clock ring in a while. mu is held.
func (s *Seats) tick() {
	s.left = false
	if s.clock == nil {
		s.clock = time.AfterFunc(sitting, s.renew)
		return
	}
	s.clock.Reset(sitting)
}

// renew begins a new epoch if it is time and still somebody waits: what was taken
// before does not count in it.
func (s *Seats) renew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.state.Load()
	if state&awaited == 0 {
		return
	}
	if s.rings++; !s.left || s.rings == sittings {
		s.rings = 0
		s.admit(awaited | (state+epochUnit)&epochMask)
	}
	if s.line.Len() > 0 {
		s.tick()
	}
}
