// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"sync"
)

// Bounds of the messages that wait to be written to a server that reads slowly.
// Who has more waits until there is room; one message always has.
const (
	maxOut      = 64
	maxOutBytes = 4 << 20
)

// outbox takes the messages for one writer. It is safe for concurrent use.
type outbox struct {
	wake chan struct{} // for the writer: something may be there

	mu       sync.Mutex
	messages [][]byte
	bytes    int
	room     chan struct{} // closed when there may be room; nil while nobody waits
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// put hands a message over. It fails with ctx's cause, and reports false when dead
// is closed before.
func (b *outbox) put(ctx context.Context, dead <-chan struct{}, message []byte) (bool, error) {
	for {
		room := b.try(message)
		if room == nil {
			return true, nil
		}
		select {
		case <-room:
		case <-dead:
			return false, nil
		case <-ctx.Done():
			return true, context.Cause(ctx)
		}
	}
}

// try takes the message, or returns what is closed when it may be tried again.
func (b *outbox) try(message []byte) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.messages); n > 0 && (n >= maxOut || b.bytes+len(message) > maxOutBytes) {
		if b.room == nil {
			b.room = make(chan struct{})
		}
		return b.room
	}
	b.messages = append(b.messages, message)
	b.bytes += len(message)
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return nil
}

// take returns the oldest message, nil when there is none.
func (b *outbox) take() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.messages) == 0 {
		return nil
	}
	message := b.messages[0]
	b.messages[0] = nil
	b.messages = b.messages[1:]
	b.bytes -= len(message)
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
	return message
}
