// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// droppedPause is the least time between two log lines about what the inbox drops.
const droppedPause = time.Minute

// inbox takes the notifications that belong to no call and hands them to the
// client's handlers, in order, on one goroutine of the client's group. When the
// handlers are slower than the server, the oldest are dropped.
type inbox struct {
	handle func(method string, params Raw)
	logger *slog.Logger
	wake   chan struct{}

	mu      sync.Mutex
	waiting backlog
	told    int       // of what was dropped
	next    time.Time // no log line before
}

func newInbox(logger *slog.Logger, handle func(method string, params Raw), all *atomic.Int64) *inbox {
	return &inbox{handle: handle, logger: logger, wake: make(chan struct{}, 1), waiting: backlog{all: all}}
}

// put queues a notification. It does not block.
func (b *inbox) put(method string, params Raw) {
	b.mu.Lock()
	b.waiting.push(note{method, params})
	dropped := b.waiting.dropped - b.told
	if now := time.Now(); dropped > 0 && !now.Before(b.next) {
		b.told, b.next = b.waiting.dropped, now.Add(droppedPause)
	} else {
		dropped = 0
	}
	b.mu.Unlock()
	if dropped > 0 {
		b.logger.Warn("notifications dropped: they are too large, or the server sends more than the handlers take", "method", method, "dropped", dropped)
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// run delivers until ctx ends.
func (b *inbox) run(ctx context.Context) {
	defer b.close()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		}
		for n, ok := b.take(); ok && ctx.Err() == nil; n, ok = b.take() {
			b.handle(n.method, n.params)
		}
	}
}

func (b *inbox) take() (note, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting.pop()
}

func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting.close()
}
