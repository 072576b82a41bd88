// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Stream carries messages in order both ways between two nodes. It ends when
// either end closes it, either node is lost, or a message is lost on the way: when
// the link between the nodes was broken, and whole again within five seconds, both
// ends compare what they have sent and received. What one end may send ahead of
// the other's receiving is bounded in messages and bytes. It is safe for
// concurrent use; usually one goroutine receives.
type Stream struct {
	x       *exchange
	id      uint64      // of this end
	node    string      // the other end's
	subject string      // where its frames go
	detach  func() bool // from the watch over its node
	link    *link       // to its node; nil when that has never been heard of
	life    context.Context
	over    context.CancelFunc // ends life

	mu       sync.Mutex
	peer     uint64 // id of the other end; 0 until accepted
	changed  chan struct{}
	queue    [][]byte
	ended    bool   // the other end sends no more
	err      error  // why it is over
	received uint64 // number of the last frame of data
	consumed credit
	granted  credit // what the other end has been told of consumed
	eager    bool   // the other end waits to hear of it

	sending    sync.Mutex  // one frame of data at a time; locked before mu
	uncompared atomic.Bool // the other end is to be told how much was sent
	sent       credit
	acked      credit
	closed     bool // End was called
}

// credit counts what has passed through a stream.
type credit struct{ messages, bytes uint64 }

const (
	windowMessages = 256
	windowBytes    = maxPayload
	// maxFrame is the largest message: with a quarter of the window unconfirmed it
	// must still fit.
	maxFrame = maxPayload - 1<<10
)

// openTimeout bounds the wait for the other node to accept a stream.
const openTimeout = 5 * time.Second

// ServeStream sets what is done with streams of a kind that other nodes open. It
// runs on a goroutine of its own; ctx ends with the stream, and the stream with
// its return. The kinds are those of [Cluster.Serve].
func (c *Cluster) ServeStream(kind string, accept func(ctx context.Context, s *Stream)) {
	x := c.rpc
	x.mu.Lock()
	defer x.mu.Unlock()
	if !kindRule.MatchString(kind) || kind == kindPing || x.handlers[kind] != nil || x.acceptor[kind] != nil {
		panic("cluster: kind " + kind + " cannot be served, or is already")
	}
	x.acceptor[kind] = accept
}

// Open opens a stream to a node, this one included. ctx bounds only the opening.
// It fails as [Cluster.Request] does.
func (c *Cluster) Open(ctx context.Context, node, kind string) (*Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	s, err := c.rpc.newStream(node, 0)
	if err != nil {
		return nil, err
	}
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], s.id)
	msg := &nats.Msg{Data: id[:], Header: nats.Header{headerStream: {"1"}}}
	answer, err := c.rpc.request(ctx, node, kind, msg)
	if err == nil && len(answer.Data) != 8 {
		err = fmt.Errorf("node %q: not a stream", node)
	}
	if err != nil {
		s.end(err)
		return nil, err
	}
	s.mu.Lock()
	s.peer = binary.BigEndian.Uint64(answer.Data)
	s.mu.Unlock()
	return s, nil
}

// newStream makes and registers this node's end of a stream.
func (x *exchange) newStream(node string, peer uint64) (*Stream, error) {
	if !nameRule.MatchString(node) {
		return nil, fmt.Errorf("node %q: not a name", node)
	}
	s := &Stream{
		x: x, id: rand.Uint64() | 1, node: node, peer: peer, subject: x.c.cfg.Cluster + ".frame." + node,
		changed: make(chan struct{}), detach: func() bool { return true },
	}
	s.life, s.over = context.WithCancel(context.Background())
	var near context.Context
	near, s.link = x.c.members.near(node)
	x.mu.Lock()
	if x.closed {
		x.mu.Unlock()
		return nil, ErrClosed
	}
	x.streams[s.id] = s
	x.mu.Unlock()
	if near != nil {
		detach := context.AfterFunc(near, func() { s.end(&NodeLostError{Node: node, Sent: true}) })
		s.mu.Lock()
		s.detach = detach
		over := s.err != nil
		s.mu.Unlock()
		if over {
			detach()
		}
	}
	return s, nil
}

// acceptStream answers the opener and runs what serves the stream.
func (x *exchange) acceptStream(m *nats.Msg, kind string, accept func(context.Context, *Stream)) {
	if len(m.Data) != 8 {
		return
	}
	s, err := x.newStream(m.Header.Get(headerFrom), binary.BigEndian.Uint64(m.Data))
	if err != nil {
		respond(m, []byte(err.Error()), failHandler)
		return
	}
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], s.id)
	respond(m, id[:], "")
	ctx, cancel := context.WithCancelCause(x.c.base)
	defer cancel(nil)
	defer context.AfterFunc(s.life, func() { cancel(s.reason()) })()
	defer func() {
		if p := recover(); p != nil {
			x.c.log.Error("handler of a node stream panicked", "kind", kind, "panic", p)
			s.Close(errors.New("the handler panicked"))
		}
	}()
	accept(ctx, s)
	s.Close(nil)
}

// Node returns the name of the other end's node.
func (s *Stream) Node() string { return s.node }

// Done is closed when the stream is over.
func (s *Stream) Done() <-chan struct{} { return s.life.Done() }

func (s *Stream) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Send sends a message, waiting while the other end is too far behind. It fails
// with the reason why the stream is over, or ctx's cause. A sent message has not
// necessarily arrived.
func (s *Stream) Send(ctx context.Context, payload []byte) error {
	if len(payload) > maxFrame {
		return ErrTooLarge
	}
	s.sending.Lock()
	defer s.release()
	if err := s.room(ctx, uint64(len(payload))); err != nil {
		return err
	}
	s.mu.Lock()
	s.sent.messages++
	s.sent.bytes += uint64(len(payload))
	number, err := s.sent.messages, s.err
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.frame(frameData, number, payload)
}

// room waits until n bytes may be sent: while the link is broken, none.
func (s *Stream) room(ctx context.Context, n uint64) error {
	for asked := false; ; {
		if s.link != nil && s.link.isBroken.Load() {
			_ = s.link.await(ctx, s.life) // the reason is looked at below
		}
		s.sayCompare()
		s.mu.Lock()
		messages, bytes := s.sent.messages-s.acked.messages, s.sent.bytes-s.acked.bytes
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
		if messages < windowMessages && (bytes+n <= windowBytes || messages == 0) {
			return nil
		}
		if s.uncompared.Load() {
			continue
		}
		if !asked {
			asked = true
			if err := s.frame(frameWant, 0, nil); err != nil {
				return err
			}
		}
		select {
		case <-changed:
			asked = false
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Receive returns the next message. It returns io.EOF after the last one when the
// other end has called End or closed the stream without a reason, else the
// reason why the stream is over, or ctx's cause. Messages that arrived before
// the end of the stream are returned first.
func (s *Stream) Receive(ctx context.Context) ([]byte, error) {
	for {
		s.mu.Lock()
		if len(s.queue) > 0 {
			payload := s.queue[0]
			s.queue[0] = nil
			s.queue = s.queue[1:]
			s.consumed.messages++
			s.consumed.bytes += uint64(len(payload))
			grant := s.due()
			s.mu.Unlock()
			if grant {
				s.grant()
			}
			return payload, nil
		}
		err, changed := s.err, s.changed
		if s.ended {
			err = io.EOF
		}
		s.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// due reports whether the other end should hear how far this one is. s.mu is held.
func (s *Stream) due() bool {
	if s.err != nil {
		return false
	}
	messages, bytes := s.consumed.messages-s.granted.messages, s.consumed.bytes-s.granted.bytes
	return s.eager && messages > 0 || messages >= windowMessages/4 || bytes >= windowBytes/4
}

func (s *Stream) grant() {
	s.mu.Lock()
	s.granted, s.eager = s.consumed, false
	c := s.granted
	s.mu.Unlock()
	var data [16]byte
	binary.BigEndian.PutUint64(data[:], c.messages)
	binary.BigEndian.PutUint64(data[8:], c.bytes)
	_ = s.frame(frameGrant, 0, data[:]) // the other end asks again if it matters
}

// End says that this end sends no more; it may go on receiving.
func (s *Stream) End() error {
	s.sending.Lock()
	defer s.release()
	s.mu.Lock()
	over := s.closed || s.err != nil
	s.closed = true
	number := s.sent.messages
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
	over, number := s.err != nil, s.sent.messages
	s.mu.Unlock()
	if over {
		return
	}
	_ = s.frame(frameClose, number, []byte(text)) // it notices otherwise
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
	s.over()
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
