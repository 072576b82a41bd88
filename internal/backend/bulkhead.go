// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// maxQueue is how many calls may wait for one that is let through, as a multiple of these.
const maxQueue = 4

// errBusy is why a call was given up before it was sent.
var errBusy = errors.New("overloaded")

// bulkhead bounds the calls to one server, so that a slow one fills up itself
// and nothing else. Those over the bound wait, in order, until their deadline.
type bulkhead struct {
	passing chan struct{}
	waiting atomic.Int64
}

func newBulkhead(calls int) *bulkhead { return &bulkhead{passing: make(chan struct{}, calls)} }

func (b *bulkhead) enter(ctx context.Context) error {
	select {
	case b.passing <- struct{}{}:
		return nil
	default:
	}
	defer b.waiting.Add(-1)
	if b.waiting.Add(1) > int64(maxQueue*cap(b.passing)) {
		return fmt.Errorf("%w: %d calls in flight and %d waiting", errBusy, cap(b.passing), maxQueue*cap(b.passing))
	}
	select {
	case b.passing <- struct{}{}:
		// Those before it may have left because the time of all is over. Sent now, it
		// would fail at once, and count against the server.
		if due, ok := ctx.Deadline(); ctx.Err() == nil && (!ok || time.Now().Before(due)) {
			return nil
		}
		b.leave()
	case <-ctx.Done():
	}
	err := cmp.Or(context.Cause(ctx), context.DeadlineExceeded)
	return fmt.Errorf("%w: %d calls in flight: %w", errBusy, cap(b.passing), err)
}

func (b *bulkhead) leave() { <-b.passing }
