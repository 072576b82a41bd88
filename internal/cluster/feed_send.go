// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/binary"

	"github.com/nats-io/nats.go"
)

// send sends frames until ctx ends. It is the natural batch: while one is being
// sent the next one fills.
func (f *feed) send(ctx context.Context) {
	var spare []byte
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.filled:
		}
		f.sending.Lock()
		entries := f.outbox
		f.outbox = spare[:0]
		f.sending.Unlock()
		f.publish(entries)
		if spare = entries; cap(spare) > 4*frameBytes {
			spare = nil
		}
	}
}

// publish sends entries in as many frames as it takes.
func (f *feed) publish(entries []byte) {
	for len(entries) > 0 {
		n := frameLength(entries)
		frame := append(append(make([]byte, 0, 1+len(f.self)+n), byte(len(f.self))), f.self...)
		_ = f.conn.Publish(f.kv.feed, append(frame, entries[:n]...)) // the others catch up
		entries = entries[n:]
	}
}

// frameLength returns how many bytes of entries, whole ones, make a frame.
func frameLength(entries []byte) int {
	n := 0
	for n < len(entries) {
		_, rest, ok := cutEntry(entries[n:])
		if !ok {
			return len(entries)
		}
		next := len(entries) - len(rest)
		if n > 0 && next > frameBytes {
			break
		}
		n = next
	}
	return n
}

// appendEntry appends v: revision, and the rest with their lengths before them.
func appendEntry(buf []byte, v value) []byte {
	buf = binary.AppendUvarint(buf, v.rev)
	for _, s := range []string{v.key, v.writes} {
		buf = append(binary.AppendUvarint(buf, uint64(len(s))), s...)
	}
	return append(binary.AppendUvarint(buf, uint64(len(v.data))), v.data...)
}

func cutEntry(b []byte) (v value, rest []byte, ok bool) {
	rev, n := binary.Uvarint(b)
	if n <= 0 {
		return value{}, nil, false
	}
	b = b[n:]
	var parts [3][]byte
	for i := range parts {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return value{}, nil, false
		}
		end := n + int(size) // bounded above
		parts[i], b = b[n:end], b[end:]
	}
	return value{rev: rev, key: string(parts[0]), writes: string(parts[1]), data: parts[2]}, b, true
}

// receive takes a frame of another node.
func (f *feed) receive(m *nats.Msg) {
	b := m.Data
	if len(b) == 0 || len(b) < 1+int(b[0]) || string(b[1:1+int(b[0])]) == f.self {
		return
	}
	changes := f.received[:0]
	for b = b[1+int(b[0]):]; len(b) > 0; {
		v, rest, ok := cutEntry(b)
		if !ok {
			f.nudge()
			break
		}
		changes, b = append(changes, v), rest
	}
	f.take(changes)
	clear(changes) // what they point to is a whole frame
	f.received = changes
}
