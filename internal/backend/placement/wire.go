// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
)

var (
	errFrame   = errors.New("malformed message of a node")
	errVersion = errors.New("the node speaks another version of the protocol between nodes")
)

// wire sends and receives envelopes on a stream. Sending is safe for concurrent
// use; one goroutine receives.
type wire struct {
	stream nodes.Stream
	max    int // bytes of an envelope
}

func newWire(s nodes.Stream, max int) *wire {
	s.Limit(max)
	return &wire{s, max}
}

// send sends an envelope; [nodes.ErrTooLarge] is returned before anything was sent.
func (w *wire) send(ctx context.Context, e *envelope) error {
	return e.pass(w.max, func(data []byte) error { return w.stream.Send(ctx, data) })
}

// receive returns the next envelope.
func (w *wire) receive(ctx context.Context) (*envelope, error) {
	data, err := w.stream.Receive(ctx)
	if err != nil {
		return nil, err
	}
	return decode(data)
}

// buffers are for encoded envelopes: who sends one copies it.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxBuffer bounds a buffer that is kept, in bytes.
const maxBuffer = 256 << 10

// pass gives the envelope's bytes, of which there must be max at most, to a function
// that does not keep them. [nodes.ErrTooLarge] is returned instead of calling it.
func (e *envelope) pass(max int, to func(data []byte) error) error {
	buf, _ := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	data, err := e.encode((*buf)[:0])
	if err != nil {
		return err
	}
	if cap(data) <= maxBuffer {
		*buf = data
	}
	if len(data) > max {
		return fmt.Errorf("%w: %d bytes of at most %d", nodes.ErrTooLarge, len(data), max)
	}
	return to(data)
}
