// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"log/slog"
	"sync"
)

// maxInbox bounds the notifications that wait for the client's handlers.
const maxInbox = 1024

// inbox takes the notifications that belong to no call and hands them to the
// client's handlers, in order, on one goroutine of the client's group. When the
// handlers are slower than the server, the oldest are dropped.
type inbox struct {
	handle func(method string, params Raw)
	logger *slog.Logger
	wake   chan struct{}

	mu    sync.Mutex
	notes []note
}

func newInbox(logger *slog.Logger, handle func(method string, params Raw)) *inbox {
	return &inbox{handle: handle, logger: logger, wake: make(chan struct{}, 1)}
}

// put queues a notification. It does not block.
func (b *inbox) put(method string, params Raw) {
	b.mu.Lock()
	full := len(b.notes) >= maxInbox
	if full {
		b.notes = b.notes[1:]
	}
	b.notes = append(b.notes, note{method, params})
	b.mu.Unlock()
	if full {
		b.logger.Debug("notification dropped, handlers are slow", "method", method)
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// run delivers until ctx ends.
func (b *inbox) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		}
		b.mu.Lock()
		notes := b.notes
		b.notes = nil
		b.mu.Unlock()
		for _, n := range notes {
			if ctx.Err() != nil {
				return
			}
			b.handle(n.method, n.params)
		}
	}
}
