// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
)

// Stream is a [nodes.Stream]. It ends when either end closes it, either node is
// lost, or a message is lost on the way: when the link between the nodes was
// broken, and whole again within five seconds, both ends compare what they have
// sent and received. What one end may send ahead of the other's receiving is
// bounded in parts of messages and in bytes. It is safe for concurrent use; usually
// one goroutine receives.
type Stream struct {
	x       *exchange
	id      uint64      // of this end
	node    string      // the other end's
	subject string      // where its frames go
	detach  func() bool // from the watch over its node
	link    *link       // to its node; nil when that has never been heard of
	life    context.Context
	over    context.CancelCauseFunc // ends life

	mu       sync.Mutex
	peer     uint64 // id of the other end; 0 until accepted
	changed  chan struct{}
	queue    []part
	begun    [][]byte // parts of a message that is not whole yet
	max      int      // bytes of a message that is received
	ended    bool     // the other end sends no more
	err      error    // why it is over
	received uint64   // number of the last part
	consumed credit
	granted  credit // what the other end has been told of consumed
	eager    bool   // the other end waits to hear of it

	sending    chan struct{} // holds a value while a message is sent; taken before mu
	uncompared atomic.Bool   // the other end is to be told how much was sent
	sent       credit
	acked      credit
	closed     bool // End was called

	question  *nats.Msg // the first message, until it is answered; nil when no answer is waited for
	hasJoined bool
	joined    chan struct{} // closed when who asked has an end of the stream too; nil when it had at once
}

var _ nodes.Stream = (*Stream)(nil)

// part is a message, or some of it.
type part struct {
	data []byte
	more bool // the message goes on in the next part
	drop bool // the message begun does not go on
}

// credit counts what has passed through a stream.
type credit struct{ parts, bytes uint64 }

const (
	windowParts = 256
	windowBytes = maxPayload
)

// Node returns the name of the other end's node.
func (s *Stream) Node() string { return s.node }

// Done is closed when the stream is over.
func (s *Stream) Done() <-chan struct{} { return s.life.Done() }

func (s *Stream) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Send implements [nodes.Stream].
func (s *Stream) Send(ctx context.Context, message []byte) error {
	if len(message) > nodes.MaxMessage {
		return nodes.ErrTooLarge
	}
	select {
	case s.sending <- struct{}{}:
	case <-s.life.Done():
		return s.reason()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer s.release()
	if m := s.asked(); m != nil {
		if len(message) <= nodes.PartBytes {
			respond(m, message, "")
			s.end(io.EOF)
			return nil
		}
		s.accept(m, opened)
		select {
		case <-s.joined:
		case <-s.life.Done():
			return s.reason()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return s.sendParts(ctx, message, false)
}

// sendParts sends what is left of a message; begun says that some of it has gone. A
// message that is broken off is dropped at the other end. sending is held.
func (s *Stream) sendParts(ctx context.Context, rest []byte, begun bool) error {
	for {
		head := rest[:min(len(rest), nodes.PartBytes)]
		rest = rest[len(head):]
		if err := s.sendPart(ctx, part{data: head, more: len(rest) > 0}); err != nil {
			if begun {
				s.drop()
			}
			return err
		}
		if begun = true; len(rest) == 0 {
			return nil
		}
	}
}

// drop says that the message begun does not go on. It is one part over the window at most.
func (s *Stream) drop() {
	s.mu.Lock()
	s.sent.parts++
	number, over := s.sent.parts, s.err != nil
	s.mu.Unlock()
	if !over {
		_ = s.frame(frameDrop, number, nil) // a part that is missing ends the stream
	}
}

func (s *Stream) sendPart(ctx context.Context, p part) error {
	if err := s.room(ctx, uint64(len(p.data))); err != nil {
		return err
	}
	s.mu.Lock()
	s.sent.parts++
	s.sent.bytes += uint64(len(p.data))
	number, err := s.sent.parts, s.err
	s.mu.Unlock()
	switch {
	case err != nil:
		return err
	case p.more:
		return s.frame(framePart, number, p.data)
	}
	return s.frame(frameData, number, p.data)
}

// room waits until n bytes may be sent: while the link is broken, none.
func (s *Stream) room(ctx context.Context, n uint64) error {
	for asked := false; ; {
		if s.link != nil && s.link.isBroken.Load() {
			_ = s.link.await(ctx, s.life) // the reason is looked at below
		}
		s.sayCompare()
		s.mu.Lock()
		parts, bytes := s.sent.parts-s.acked.parts, s.sent.bytes-s.acked.bytes
		err, changed := s.err, s.changed
		if s.closed && err == nil {
			err = errors.New("the stream was ended by this side")
		}
		s.mu.Unlock()
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if parts < windowParts && (bytes+n <= windowBytes || parts == 0) {
			return nil
		}
		if s.uncompared.Load() {
			continue
		}
		if !asked {
			if err := s.frame(frameWant, 0, nil); err != nil {
				return err
			}
			asked = true //nolint:wastedassign // the next round reads it
		}
		select {
		case <-changed:
			asked = false
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Limit implements [nodes.Stream].
func (s *Stream) Limit(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.max = bytes
}

// Receive implements [nodes.Stream].
func (s *Stream) Receive(ctx context.Context) ([]byte, error) {
	for {
		message, whole, wait, err := s.next()
		switch {
		case errors.Is(err, nodes.ErrTooLarge):
			s.Close(err)
			return nil, err
		case err != nil:
			return nil, err
		case whole:
			return message, nil
		case wait == nil:
			continue
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// next takes the next part of a message. It returns the message when it is whole,
// or what to wait for when there is no part.
func (s *Stream) next() (message []byte, whole bool, wait <-chan struct{}, err error) {
	s.mu.Lock()
	if len(s.queue) == 0 {
		defer s.mu.Unlock()
		if s.ended {
			return nil, false, nil, io.EOF
		}
		return nil, false, s.changed, s.err
	}
	p := s.queue[0]
	s.queue[0] = part{}
	s.queue = s.queue[1:]
	s.consumed.parts++
	s.consumed.bytes += uint64(len(p.data))
	if message, err = s.join(p); err == nil {
		whole = !p.more && !p.drop
	}
	grant := s.due()
	s.mu.Unlock()
	if grant {
		s.grant()
	}
	return message, whole, nil, err
}

// join adds a part to what there is of its message, and returns that when it is
// whole. s.mu is held.
func (s *Stream) join(p part) ([]byte, error) {
	size := len(p.data)
	for _, b := range s.begun {
		size += len(b)
	}
	switch {
	case size > s.max:
		s.begun = nil
		return nil, fmt.Errorf("%w: over %d bytes", nodes.ErrTooLarge, s.max)
	case p.drop:
		s.begun = nil
		return nil, nil
	case p.more:
		s.begun = append(s.begun, p.data)
		return nil, nil
	case s.begun == nil:
		return p.data, nil
	}
	whole := slices.Concat(append(s.begun, p.data)...)
	s.begun = nil
	return whole, nil
}

// due reports whether the other end should hear how far this one is. s.mu is held.
func (s *Stream) due() bool {
	if s.err != nil {
		return false
	}
	parts, bytes := s.consumed.parts-s.granted.parts, s.consumed.bytes-s.granted.bytes
	return s.eager && parts > 0 || parts >= windowParts/4 || bytes >= windowBytes/4
}

func (s *Stream) grant() {
	s.mu.Lock()
	s.granted, s.eager = s.consumed, false
	c := s.granted
	s.mu.Unlock()
	var data [16]byte
	binary.BigEndian.PutUint64(data[:], c.parts)
	binary.BigEndian.PutUint64(data[8:], c.bytes)
	_ = s.frame(frameGrant, 0, data[:]) // the other end asks again if it matters
}

// End says that this end sends no more; it may go on receiving.
func (s *Stream) End() error {
	s.sending <- struct{}{}
	defer s.release()
	s.mu.Lock()
	over := s.closed || s.err != nil
	s.closed = true
	number := s.sent.parts
	s.mu.Unlock()
	if over {
		return nil
	}
	return s.frame(frameEnd, number, nil)
}

// Close ends the stream both ways; the other end learns the reason, nil being the
// ordinary end. It is idempotent.
func (s *Stream) Close(reason error) {
	text := ""
	if reason != nil {
		text = reason.Error()
	}
	s.mu.Lock()
	over, number := s.err != nil, s.sent.parts
	s.mu.Unlock()
	if over {
		return
	}
	switch m := s.asked(); {
	case m == nil:
		_ = s.frame(frameClose, number, []byte(text)) // it notices otherwise
	case reason == nil:
		respond(m, nil, failNothing)
	default:
		respond(m, []byte(text), failHandler)
	}
	if reason == nil {
		reason = io.EOF
	}
	s.end(reason)
}

// end is the end of the stream at this node.
func (s *Stream) end(reason error) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = reason
	s.over(reason)
	s.wake()
	detach := s.detach
	s.mu.Unlock()
	detach()
	s.x.mu.Lock()
	delete(s.x.streams, s.id)
	s.x.mu.Unlock()
}

// wake tells everybody who waits for a change. s.mu is held.
func (s *Stream) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}
