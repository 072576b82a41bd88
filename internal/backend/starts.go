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
// soon. What only waits, for a network or for nothing, holds up nobody. It is safe
// for concurrent use and owns no goroutine.
type Starts struct{ places chan struct{} }

const (
	startsPerCore   = 2
	installsPerCore = 4 // they wait for the network and the disk more often
	leastCores      = 2
	// placeCPU is how much of a core's time a start uses in its place: most are up then,
	// and one that installs for long should not hold up the next that does.
	placeCPU = 1500 * time.Millisecond
	// placeFor is how long a start has its place at most: it may look busy for ever.
	placeFor = 20 * time.Second
)

// NewStarts returns places for twice as many starts as there are cores, at least four.
func NewStarts() *Starts { return newStarts(startsPerCore * max(leastCores, runtime.GOMAXPROCS(0))) }

// NewInstalls is NewStarts for servers that may have to be installed: twice as many.
func NewInstalls() *Starts {
	return newStarts(installsPerCore * max(leastCores, runtime.GOMAXPROCS(0)))
}

func newStarts(n int) *Starts { return &Starts{make(chan struct{}, n)} }

// enter takes a place, in the order of those who wait, until ctx ends. leave gives it
// back; it may be called more than once. Nil has room for all.
func (s *Starts) enter(ctx context.Context) (leave func(), err error) {
	if s == nil {
		return func() {}, nil
	}
	select {
	case s.places <- struct{}{}:
		return sync.OnceFunc(func() { <-s.places }), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
