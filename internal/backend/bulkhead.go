// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/share"
)

// maxQueue is how many calls may wait for one that is let through, as a multiple of these.
const maxQueue = 4

// errBusy is why a call was given up before it was sent.
var errBusy = errors.New("overloaded")

// bulkhead bounds the calls to one server, so that a slow one fills up itself
// and nothing else. Those over the bound wait until their deadline. Callers have
// shares of both and take turns, see package share. It is safe for concurrent use.
type bulkhead struct {
	max  int
	knob string // that raises the bound, in errors

	mu      sync.Mutex
	passing *share.Shares
	queued  *share.Shares
	line    share.Line[share.Caller]
	left    *share.Shares // calls that their clients left
}

// A caller's calls that ended without the server's answer count for so long, or
// until the answer comes: many servers go on with them. A group that has so many of
// them, as a multiple of the calls let through, makes no more.
const (
	leftTime = time.Minute
	maxLeft  = 2
)

func newBulkhead(calls int, knob string) *bulkhead {
	return &bulkhead{max: calls, knob: knob, passing: share.New(calls, 0), queued: share.New(maxQueue*calls, 0), left: share.New(math.MaxInt32, maxLeft*calls)}
}

// enter lets a call through, or waits for that until ctx ends. Each success needs a
// leave of the same caller.
func (b *bulkhead) enter(ctx context.Context, c share.Caller) error {
	b.mu.Lock()
	if n, _ := b.left.Held(c); n > 0 && !b.left.Fits(c) {
		b.mu.Unlock()
		return fmt.Errorf("%w: the server may still be working on %d calls that this client has left", errBusy, n)
	}
	if b.passing.Fits(c) { // who waits does not fit: see grant
		b.passing.Take(c)
		b.mu.Unlock()
		return nil
	}
	if !b.queued.Fits(c) {
		defer b.mu.Unlock()
		return b.refusal(c)
	}
	b.queued.Take(c)
	w := b.line.Add(c)
	b.mu.Unlock()
	select {
	case <-w.Granted:
		// Those before it may have left because the time of all is over. Sent now, it
		// would fail at once, and count against the server.
		if due, ok := ctx.Deadline(); ctx.Err() == nil && (!ok || time.Now().Before(due)) {
			return nil
		}
		b.leave(c)
	case <-ctx.Done():
		b.mu.Lock()
		if b.line.Leave(w) {
			b.queued.Give(c)
			b.mu.Unlock()
		} else {
			b.mu.Unlock()
			b.leave(c)
		}
	}
	err := cmp.Or(context.Cause(ctx), context.DeadlineExceeded)
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Errorf("%w: %s: %w", errBusy, b.load(c), err)
}

// leave lets a call out, and in who waits.
func (b *bulkhead) leave(c share.Caller) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.passing.Give(c)
	b.grant()
}

// abandon counts a call that its caller has left. It returns what is to be called
// once the server has answered it; after leftTime it makes no difference any more.
func (b *bulkhead) abandon(c share.Caller) (over func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left.Take(c)
	give := sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.left.Give(c)
	})
	late := time.AfterFunc(leftTime, give)
	return func() {
		late.Stop()
		give()
	}
}

// grant lets in who waits and fits: afterwards nobody does. b.mu is held.
func (b *bulkhead) grant() {
	for b.line.Len() > 0 {
		c, ok := b.line.Next(b.passing.Fits)
		if !ok {
			return
		}
		b.queued.Give(c)
		b.passing.Take(c)
	}
}

// refusal is the error of a call that may not even wait. b.mu is held.
func (b *bulkhead) refusal(c share.Caller) error {
	own, _ := b.queued.Held(c)
	return fmt.Errorf("%w: %s, and %d wait, %d of them its own; %s raises the bound", errBusy, b.load(c), b.queued.Used(), own, b.knob)
}

// load says what is in flight. b.mu is held.
func (b *bulkhead) load(c share.Caller) string {
	own, _ := b.passing.Held(c)
	return fmt.Sprintf("%d of at most %d calls in flight, %d of them its client's own", b.passing.Used(), b.max, own)
}
