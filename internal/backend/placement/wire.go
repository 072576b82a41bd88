// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"context"
	"errors"
	"fmt"

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
	data, err := e.within(w.max)
	if err != nil {
		return err
	}
	return w.stream.Send(ctx, data)
}

// receive returns the next envelope.
func (w *wire) receive(ctx context.Context) (*envelope, error) {
	data, err := w.stream.Receive(ctx)
	if err != nil {
		return nil, err
	}
	return decode(data)
}

// within returns the envelope's bytes, of which there must be max at most.
func (e *envelope) within(max int) ([]byte, error) {
	data, err := e.encode()
	if err == nil && len(data) > max {
		err = fmt.Errorf("%w: %d bytes of at most %d", nodes.ErrTooLarge, len(data), max)
	}
	return data, err
}
