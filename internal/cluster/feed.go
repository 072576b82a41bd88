// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// feed follows the changes of one table. Whoever has written tells the others:
// changes go out in frames, as many as have come together while the last frame
// was sent. Every node has one subscription. Changes are numbered without gaps,
// so one that nobody told of, since its writer died or never got the answer, is
// noticed: by a number that stays away, by what other nodes say they have seen,
// or by the regular look. It is then read from a replica. Nothing in this needs
// an elected leader, so a feed goes on as soon as writes do.
type feed struct {
	kv    *kv
	conn  *nats.Conn
	done  <-chan struct{} // closed when the cluster is
	self  string          // instance of this node, which skips its own frames
	apply func(v value)   // in any order; the higher revision of a key counts
	wake  chan struct{}   // capacity 1: there may be something to catch up with
	sub   *nats.Subscription

	mu    sync.Mutex
	last  uint64              // everything up to here has been applied
	seen  uint64              // the highest that is known to exist
	ahead map[uint64]struct{} // applied behind a gap

	heardOf uint64 // what another node has seen and this one has not, until that is looked at

	applied atomic.Uint64 // last, for others to read

	received []value // of one frame, used again for the next; of receive

	sending sync.Mutex
	outbox  []byte        // entries to tell of
	filled  chan struct{} // capacity 1: there is something in it
}

const (
	// gapPatience is how long a number may stay away: writers tell in any order.
	gapPatience = 250 * time.Millisecond
	// maxAhead bounds what is remembered behind a gap.
	maxAhead = 1 << 16
	// maxOutbox bounds what waits to be told; beyond it others catch up.
	maxOutbox = 64 << 20
	// frameBytes is about the size of one frame.
	frameBytes = 256 << 10
	// catchUpBatch is how many changes one read returns; very large reads end early.
	catchUpBatch = 500
	// catchUpInterval is the time between regular looks.
	catchUpInterval = 5 * time.Second
	// replicaWait is the pause when a replica does not have yet what is known to exist.
	replicaWait = 20 * time.Millisecond
	// replicaTries bounds that; then what is missing no longer exists.
	replicaTries = 100
)

func newFeed(done <-chan struct{}, t *kv, conn *nats.Conn, self string, apply func(value)) *feed {
	f := &feed{
		done: done, kv: t, conn: conn, self: self, apply: apply, wake: make(chan struct{}, 1),
		ahead: map[uint64]struct{}{}, filled: make(chan struct{}, 1),
	}
	t.tell = f.tell
	return f
}

// start subscribes and reads everything there is. After an error it may be called again.
func (f *feed) start(ctx context.Context) error {
	if f.sub == nil {
		sub, err := f.conn.Subscribe(f.kv.feed, f.receive)
		if err != nil {
			return fmt.Errorf("subscribe to changes: %w", err)
		}
		_ = sub.SetPendingLimits(1<<20, 256<<20) // what is dropped beyond is caught up with
		f.sub = sub
	}
	wait, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	if err := f.conn.FlushWithContext(wait); err != nil {
		return fmt.Errorf("subscribe to changes: %w", err)
	}
	return f.catchUp(ctx)
}

// tell tells the others of changes that this node has written. One without a
// revision only says that there may be one. Several are a frame; one by itself
// goes in the next frame, with what else comes meanwhile.
func (f *feed) tell(changes ...value) {
	if len(changes) > 1 {
		var entries []byte
		for _, v := range changes {
			entries = appendEntry(entries, v)
		}
		f.publish(entries)
	} else {
		f.fill(changes[0])
	}
	f.take(changes)
}

// fill puts a change into the next frame.
func (f *feed) fill(v value) {
	f.sending.Lock()
	if len(f.outbox) < maxOutbox {
		f.outbox = appendEntry(f.outbox, v)
	}
	f.sending.Unlock()
	select {
	case f.filled <- struct{}{}:
	default:
	}
}

// take applies and notes changes.
func (f *feed) take(changes []value) {
	for _, v := range changes {
		if v.rev > 0 {
			f.apply(v)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, v := range changes {
		if v.rev == 0 {
			f.nudge()
			continue
		}
		f.note(v.rev)
	}
}

// note notes that the change numbered rev has been applied. f.mu is held.
func (f *feed) note(rev uint64) {
	f.seen = max(f.seen, rev)
	if rev <= f.last {
		return
	}
	if rev == f.last+1 {
		f.advance(rev)
		return
	}
	if len(f.ahead) == 0 {
		f.watchGap()
	}
	if len(f.ahead) >= maxAhead {
		f.nudge()
		return
	}
	f.ahead[rev] = struct{}{}
}

// advance moves last to rev and over what has been applied behind it. f.mu is held.
func (f *feed) advance(rev uint64) {
	f.last = rev
	for len(f.ahead) > 0 {
		if _, ok := f.ahead[f.last+1]; !ok {
			break
		}
		f.last++
		delete(f.ahead, f.last)
	}
	f.applied.Store(f.last)
}

// watchGap has the gap behind last looked at when it has lasted, and again while
// there is one. f.mu is held.
func (f *feed) watchGap() {
	last := f.last
	time.AfterFunc(gapPatience, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.ahead) == 0 || isClosed(f.done) {
			return
		}
		if f.last == last {
			f.nudge()
		}
		f.watchGap()
	})
}

// heardPatience is how far in time this node may be behind what others have seen.
const heardPatience = 300 * time.Millisecond

// heard notes that another node has seen changes up to rev.
func (f *feed) heard(rev uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if rev <= f.seen || f.heardOf > 0 {
		return
	}
	f.heardOf = rev
	time.AfterFunc(heardPatience, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.seen = max(f.seen, f.heardOf)
		if f.last < f.heardOf {
			f.nudge()
		}
		f.heardOf = 0
	})
}

func (f *feed) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
