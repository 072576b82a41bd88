// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"context"
	"errors"
	"fmt"
)

// An envelope travels in frames, as a stream bounds its messages: the version of
// this encoding, whether more frames of the same envelope follow, and a part of it.
const (
	frameVersion = 1
	frameLast    = 0
	frameMore    = 1
	frameHead    = 2
	maxFrame     = 512 << 10
)

var (
	errFrame    = errors.New("malformed frame of a peer")
	errVersion  = errors.New("the peer speaks another version of the protocol between nodes")
	errTooLarge = errors.New("message is too large to go to another node")
)

// wire sends and receives envelopes on a stream. Sending is safe for concurrent
// use; one goroutine receives.
type wire struct {
	stream  Stream
	max     int           // bytes of an envelope
	sending chan struct{} // held while the frames of one envelope are sent
}

func newWire(s Stream, max int) *wire {
	return &wire{stream: s, max: max, sending: make(chan struct{}, 1)}
}

// send sends an envelope; errTooLarge is returned before anything was sent.
func (w *wire) send(ctx context.Context, e *envelope) error {
	data, err := e.encode()
	if err != nil {
		return err
	}
	if len(data) > w.max {
		return fmt.Errorf("%w: %d bytes of at most %d", errTooLarge, len(data), w.max)
	}
	select {
	case w.sending <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-w.sending }()
	for {
		part, flag := data, byte(frameLast)
		if len(data) > maxFrame {
			part, flag = data[:maxFrame], frameMore
		}
		data = data[len(part):]
		frame := make([]byte, 0, frameHead+len(part))
		frame = append(append(frame, frameVersion, flag), part...)
		if err := w.stream.Send(ctx, frame); err != nil {
			return err
		}
		if flag == frameLast {
			return nil
		}
	}
}

// receive returns the next envelope.
func (w *wire) receive(ctx context.Context) (*envelope, error) {
	var whole []byte
	for {
		frame, err := w.stream.Receive(ctx)
		if err != nil {
			return nil, err
		}
		part, more, err := unframe(frame)
		if err != nil {
			return nil, err
		}
		if len(whole)+len(part) > w.max {
			return nil, errTooLarge
		}
		if whole == nil && !more {
			return decode(part)
		}
		whole = append(whole, part...)
		if !more {
			return decode(whole)
		}
	}
}

// unframe reads one frame.
func unframe(frame []byte) (part []byte, more bool, err error) {
	switch {
	case len(frame) <= frameHead:
		return nil, false, errFrame
	case frame[0] != frameVersion:
		return nil, false, errVersion
	case frame[1] > frameMore:
		return nil, false, errFrame
	}
	return frame[frameHead:], frame[1] == frameMore, nil
}
