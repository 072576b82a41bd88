// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"sync"
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
	progress

	kv    *kv
	conn  *nats.Conn
	self  string        // instance of this node, which skips its own frames
	apply func(v value) // in any order; the higher revision of a key counts
	sub   *nats.Subscription
	ahead map[uint64]struct{} // applied behind a gap; under progress.mu

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
)

func newFeed(done <-chan struct{}, t *kv, conn *nats.Conn, self string, apply func(value)) *feed {
	f := &feed{
		progress: newProgress(done), kv: t, conn: conn, self: self, apply: apply,
		ahead: map[uint64]struct{}{}, filled: make(chan struct{}, 1),
	}
	t.tell = f.tell
	return f
}

var _ follower = (*feed)(nil)

func (f *feed) stream() string { return f.kv.stream }

// start implements [follower].
func (f *feed) start(ctx context.Context) error {
	if err := listen(ctx, f.conn, &f.sub, f.kv.feed, f.receive); err != nil {
		return err
	}
	return f.catchUp(ctx)
}

// work implements [follower].
func (f *feed) work(ctx context.Context, failed func(error)) {
	f.progress.work(ctx, f.send, f.catchUp, failed)
}

// tell tells the others of a change that this node has written, in the next
// frame. One without a revision only says that there may be one.
func (f *feed) tell(v value) {
	f.sending.Lock()
	if len(f.outbox) < maxOutbox {
		f.outbox = appendEntry(f.outbox, v)
	}
	f.sending.Unlock()
	select {
	case f.filled <- struct{}{}:
	default:
	}
	f.take([]value{v})
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
		f.watchGap(gapPatience, func() bool { return len(f.ahead) > 0 })
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
