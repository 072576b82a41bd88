// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import "sync/atomic"

// Bounds of notifications that wait for a handler, as a server may send them
// faster than a handler takes them.
const (
	maxNote     = 1 << 20  // bytes of one; larger ones are dropped
	maxNotes    = 1024     // at one handler; then the oldest are dropped
	maxBacklog  = 2 << 20  // bytes at one handler; likewise
	maxBacklogs = 16 << 20 // bytes at all handlers of a client; likewise
)

// note is a notification.
type note struct {
	method string
	params Raw
}

func (n *note) size() int { return len(n.method) + len(n.params) }

// backlog holds the notifications that wait for one handler, oldest first. Its
// owner's lock guards it.
type backlog struct {
	all     *atomic.Int64 // bytes at all handlers of the client
	notes   []note
	bytes   int
	dropped int // in all
	closed  bool
}

// push adds a notification. It drops the oldest as far as the bounds demand.
func (b *backlog) push(n note) {
	if b.closed || n.size() > maxNote {
		b.dropped++
		return
	}
	b.notes = append(b.notes, n)
	b.weigh(n.size())
	for len(b.notes) > maxNotes || b.bytes > maxBacklog || b.all.Load() > maxBacklogs && len(b.notes) > 0 {
		b.pop()
		b.dropped++
	}
}

// pop takes the oldest notification.
func (b *backlog) pop() (note, bool) {
	if len(b.notes) == 0 {
		return note{}, false
	}
	n := b.notes[0]
	b.notes[0] = note{} // what is delivered is not kept
	b.notes = b.notes[1:]
	b.weigh(-n.size())
	return n, true
}

// close drops everything, uncounted: there is no handler any more.
func (b *backlog) close() {
	b.weigh(-b.bytes)
	b.notes, b.closed = nil, true
}

func (b *backlog) weigh(n int) {
	b.bytes += n
	b.all.Add(int64(n))
}
