// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"math"
	"sync"
)

// unbounded is the maximum of a gate that only counts.
const unbounded = math.MaxInt

// gate counts what is inside, up to a maximum, and can be closed for good. It
// is safe for concurrent use.
type gate struct {
	max int

	mu     sync.Mutex
	inside int
	closed bool
	idle   chan struct{} // set by close; closed when nothing is inside
}

// enter reports whether one more may come in. Each success needs a leave.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.inside >= g.max {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.closed {
		close(g.idle)
	}
}

// count returns how many are inside.
func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside
}

// close lets nothing in any more. The channel it returns is closed once nothing
// is inside.
func (g *gate) close() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		g.idle = make(chan struct{})
		if g.inside == 0 {
			close(g.idle)
		}
	}
	return g.idle
}
