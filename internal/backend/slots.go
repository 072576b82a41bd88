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
)

// Slots bounds how many instances there are at once. When none is free, the
// instance that has been idle longest is stopped to make room; while all have
// calls in flight, new ones wait in order. It is safe for concurrent use and
// owns no goroutine.
type Slots struct {
	noun string // what is counted, in errors
	max  int

	wanted atomic.Int32 // how many wait; idle reads it without the lock

	mu       sync.Mutex
	free     int
	waiting  []chan struct{}
	evicting int // instances being stopped for those that wait
	members  []idler
}

// idler has instances that can be stopped.
type idler interface {
	// idleSince returns since when its longest idle instance with a slot of s is so.
	idleSince(s *Slots) (time.Time, bool)
	// evict stops that instance and calls s.evicted when its slot is free. It
	// reports false when there is none any more. It does not wait.
	evict(s *Slots) bool
}

// NewSlots returns n free slots for the child processes of all servers.
func NewSlots(n int) *Slots { return newSlots(n, "processes of all servers") }

func newSlots(n int, noun string) *Slots { return &Slots{noun: noun, max: n, free: n} }

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

// try takes a slot if one is free and nobody waits for it.
func (s *Slots) try() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free == 0 || len(s.waiting) > 0 {
		return false
	}
	s.free--
	return true
}

// acquire takes a slot, waiting for one until ctx ends.
func (s *Slots) acquire(ctx context.Context) error {
	if s.try() {
		return nil
	}
	turn := make(chan struct{})
	s.mu.Lock()
	s.waiting = append(s.waiting, turn)
	s.wanted.Store(int32(len(s.waiting)))
	s.makeRoom()
	s.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiting, turn); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
		s.wanted.Store(int32(len(s.waiting)))
	} else {
		s.give()
	}
	return fmt.Errorf("%w: all %d %s are in use", errBusy, s.max, s.noun)
}

// release gives a slot back.
func (s *Slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.give()
}

// evicted tells that a slot freed by evict has been released.
func (s *Slots) evicted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evicting--
	s.makeRoom()
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

// give hands a free slot on. s.mu is held.
func (s *Slots) give() {
	if len(s.waiting) == 0 {
		s.free++
		return
	}
	close(s.waiting[0])
	s.waiting = slices.Delete(s.waiting, 0, 1)
	s.wanted.Store(int32(len(s.waiting)))
}

// makeRoom has as many idle instances stopped as others wait for. s.mu is held,
// which the members' own locks come after.
func (s *Slots) makeRoom() {
	for s.evicting < len(s.waiting) {
		var oldest idler
		var since time.Time
		for _, m := range s.members {
			if t, ok := m.idleSince(s); ok && (oldest == nil || t.Before(since)) {
				oldest, since = m, t
			}
		}
		if oldest == nil {
			return
		}
		if oldest.evict(s) {
			s.evicting++
		}
	}
}
