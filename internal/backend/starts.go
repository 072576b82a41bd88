// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// Starts bounds how many child processes of several servers are at work on their start
// at a time: so many that the cores have enough to do, and so few that each is done
// soon. What only waits, for a network or for nothing, holds up nobody, and while
// starts get little of the cores, as where others use them too, more are let in. It is
// safe for concurrent use and owns no goroutine.
type Starts struct {
	places chan struct{}
	cores  int

	mu      sync.Mutex
	waiting int           // for a place
	extra   int           // that were let in beyond the places, and whose leaving frees none
	since   time.Time     // when it was last looked at what they use
	used    time.Duration // since then, of all cores
}

const (
	startsPerCore   = 2
	installsPerCore = 4 // they wait for the network and the disk more often
	leastCores      = 2
	// placeCPU is how much of a core's time a start uses in its place: most are up then,
	// and one that installs for long should not hold up the next that does.
	placeCPU = 1500 * time.Millisecond
	// placeFor is how long a start has its place at most: it may look busy for ever.
	placeFor = 20 * time.Second
	// usageWindow is how often it is looked at what starts use of the cores.
	usageWindow = 400 * time.Millisecond
)

// NewStarts returns places for twice as many starts as there are cores, at least four.
func NewStarts() *Starts {
	cores := runtime.GOMAXPROCS(0)
	return newStarts(startsPerCore*max(leastCores, cores), cores)
}

// NewInstalls is NewStarts for servers that may have to be installed: twice as many.
func NewInstalls() *Starts {
	cores := runtime.GOMAXPROCS(0)
	return newStarts(installsPerCore*max(leastCores, cores), cores)
}

func newStarts(n, cores int) *Starts { return &Starts{places: make(chan struct{}, n), cores: cores} }

// report takes in that a start has used so much of a core since it last said so, and
// lets one more in when there is room on the cores.
func (s *Starts) report(used time.Duration, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.spare(used, now) || s.waiting == 0 {
		return
	}
	select {
	case <-s.places:
		s.extra++
	default: // who waits is being let in
	}
}

// leave gives a place back.
func (s *Starts) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.extra > 0 {
		s.extra--
		return
	}
	<-s.places // there are as many in it as have a place, less the extra ones
}

// spare takes in that a start has used so much of a core since it last said so, and
// reports, once in a while, that all together use less than half of the cores.
// s.mu is held.
func (s *Starts) spare(used time.Duration, now time.Time) bool {
	s.used += max(used, 0)
	elapsed := now.Sub(s.since)
	if elapsed < usageWindow {
		return false
	}
	idle := elapsed < 5*usageWindow && 2*s.used < elapsed*time.Duration(s.cores) // else nobody looked
	s.since, s.used = now, 0
	return idle
}

// enter takes a place, in the order of those who wait, until ctx ends. leave gives it
// back; it may be called more than once. Nil has room for all.
func (s *Starts) enter(ctx context.Context) (leave func(), err error) {
	if s == nil {
		return func() {}, nil
	}
	s.wait(1)
	defer s.wait(-1)
	select {
	case s.places <- struct{}{}:
		return sync.OnceFunc(s.leave), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// wait changes how many wait for a place.
func (s *Starts) wait(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting += n
}
