// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
)

// openTimeout bounds the wait for the other node to accept a stream.
const openTimeout = 5 * time.Second

// ServeStream sets what is done with streams of a kind that other nodes open. It
// runs on a goroutine of its own; ctx ends with the stream, and the stream with
// its return. The kind is a word of lower-case
// letters, digits, '-' and '_'. It panics on a kind that is no such word or is served.
func (c *Cluster) ServeStream(kind string, accept func(ctx context.Context, s *Stream)) {
	x := c.rpc
	x.mu.Lock()
	defer x.mu.Unlock()
	if !kindRule.MatchString(kind) || kind == kindPing || x.acceptor[kind] != nil {
		panic("cluster: kind " + kind + " cannot be served, or is already")
	}
	x.acceptor[kind] = accept
}

// Open opens a stream to a node, this one included; see [nodes.Nodes]. To a node
// that only others hear it first waits for another way, up to five seconds. It
// fails with [ErrBusy] when the node has too many requests in work.
func (c *Cluster) Open(ctx context.Context, to nodes.Address, first []byte) (*Stream, error) {
	if len(first) > nodes.MaxMessage {
		return nil, nodes.ErrTooLarge
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	carries, head := openBare, first[:min(len(first), nodes.PartBytes)]
	switch {
	case len(head) < len(first):
		carries = openPart
	case first != nil:
		carries = openWhole
	}
	s, answer, err := c.rpc.open(ctx, to, carries, head)
	if err == nil {
		err = s.accepted(answer.Data)
	}
	if err == nil && carries == openPart {
		if err = s.sendParts(ctx, first[len(head):], true); err != nil { // nobody else has the stream yet
			s.Close(err)
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Ask sends a message to a node, this one included, and returns the answer; see
// [nodes.Nodes]. It fails as Open does, or with a [RemoteError] that says why there
// is no answer.
func (c *Cluster) Ask(ctx context.Context, to nodes.Address, message []byte) ([]byte, error) {
	if len(message) > nodes.PartBytes {
		s, err := c.Open(ctx, to, message)
		if err != nil {
			return nil, err
		}
		return s.answer(ctx)
	}
	id := rand.Uint64() | 1
	answer, err := c.rpc.request(ctx, to.Node, to.Kind, opening(id, to.Instance, openAsk, message))
	switch {
	case errors.Is(err, nodes.ErrUnanswered):
		c.rpc.abandon(to, id)
		return nil, err
	case err != nil:
		return nil, err
	case answer.Header.Get(headerStream) != opened:
		return answer.Data, nil
	}
	return c.rpc.longAnswer(ctx, to.Node, id, answer.Data)
}

// longAnswer receives an answer that comes on a stream. Its other end waits until this
// one is there.
func (x *exchange) longAnswer(ctx context.Context, node string, id uint64, peer []byte) ([]byte, error) {
	s, err := x.newStream(node, id, 0)
	if err == nil {
		err = s.accepted(peer)
	}
	if err == nil {
		err = s.frame(frameWant, 0, nil)
	}
	if err != nil {
		return nil, err
	}
	return s.answer(ctx)
}

// answer receives the one message that comes back.
func (s *Stream) answer(ctx context.Context) ([]byte, error) {
	m, err := s.Receive(ctx)
	s.Close(err)
	return m, err
}

// open sends the request that opens a stream and returns what is answered. Its data are
// the first message as it is, or the first part.
func (x *exchange) open(ctx context.Context, to nodes.Address, carries string, first []byte) (*Stream, *nats.Msg, error) {
	s, err := x.newStream(to.Node, rand.Uint64()|1, 0)
	if err != nil {
		return nil, nil, err
	}
	if carries != openBare {
		s.mu.Lock()
		s.sent = credit{1, uint64(len(first))}
		s.mu.Unlock()
	}
	answer, err := x.request(ctx, to.Node, to.Kind, opening(s.id, to.Instance, carries, first))
	if err != nil {
		s.end(err)
		if errors.Is(err, nodes.ErrUnanswered) {
			x.abandon(to, s.id)
		}
		return nil, nil, err
	}
	return s, answer, nil
}

func opening(id uint64, instance, carries string, first []byte) *nats.Msg {
	msg := &nats.Msg{Data: first, Header: nats.Header{headerStream: {carries}, headerID: {strconv.FormatUint(id, 16)}}}
	if instance != "" {
		msg.Header[headerTo] = []string{instance}
	}
	return msg
}

// accepted takes the id of the other end.
func (s *Stream) accepted(id []byte) error {
	if len(id) != 8 {
		err := fmt.Errorf("node %q: not a stream", s.node)
		s.end(err)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peer = binary.BigEndian.Uint64(id)
	return nil
}

// abandon tells a node that nobody waits for the stream that the end of an id is to
// open. It arrives behind the request that opens it.
func (x *exchange) abandon(to nodes.Address, id uint64) {
	_ = x.c.conn.PublishMsg(&nats.Msg{
		Subject: x.subject + to.Node + "." + to.Kind,
		Header:  nats.Header{headerFrom: {x.c.cfg.Name}, headerStream: {openAbandoned}, headerID: {strconv.FormatUint(id, 16)}},
	}) // without it the other end learns of it when it sends something
}

// abandoned ends a stream that another node has opened and does not wait for.
func (x *exchange) abandoned(m *nats.Msg) {
	id, err := strconv.ParseUint(m.Header.Get(headerID), 16, 64)
	if err != nil {
		return
	}
	for _, s := range x.streamsTo(m.Header.Get(headerFrom)) {
		s.mu.Lock()
		is := s.peer == id
		s.mu.Unlock()
		if is {
			s.end(&RemoteError{Node: s.node, Message: "it does not wait for the stream any more"})
		}
	}
}

// newStream makes and registers this node's end of a stream.
func (x *exchange) newStream(node string, id, peer uint64) (*Stream, error) {
	if !nameRule.MatchString(node) {
		return nil, fmt.Errorf("node %q: not a name", node)
	}
	s := &Stream{
		x: x, id: id, node: node, peer: peer, subject: x.c.cfg.Cluster + ".frame." + node,
		changed: make(chan struct{}), detach: func() bool { return true }, sending: make(chan struct{}, 1), max: nodes.MaxMessage,
	}
	s.life, s.over = context.WithCancelCause(context.Background())
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
		detach := context.AfterFunc(near, func() { s.end(&nodes.LostError{Node: node, Sent: true}) })
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

// opened registers the stream that a request opens, with the message that comes with it.
// It returns nil when it cannot.
func (x *exchange) opened(m *nats.Msg) *Stream {
	id, err := strconv.ParseUint(m.Header.Get(headerID), 16, 64)
	var s *Stream
	if err == nil {
		s, err = x.newStream(m.Header.Get(headerFrom), rand.Uint64()|1, id)
	}
	if err != nil {
		respond(m, []byte(err.Error()), failHandler)
		return nil
	}
	carries := m.Header.Get(headerStream)
	if carries != openBare {
		s.data(1, part{data: m.Data, more: carries == openPart})
	}
	if carries == openAsk {
		s.mu.Lock()
		s.question, s.joined = m, make(chan struct{})
		s.mu.Unlock()
	} else {
		s.accept(m, "")
	}
	return s
}

// accept tells the opener that the stream is open.
func (s *Stream) accept(m *nats.Msg, word string) {
	answer := &nats.Msg{Data: binary.BigEndian.AppendUint64(nil, s.id)}
	if word != "" {
		answer.Header = nats.Header{headerStream: {word}}
	}
	_ = m.RespondMsg(answer) // who asked has gone, or the connection has
}

// asked returns the question that the opener waits for an answer to, once.
func (s *Stream) asked() *nats.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.question
	s.question = nil
	return m
}

// acceptStream runs what serves a stream.
func (x *exchange) acceptStream(s *Stream, kind string, accept func(context.Context, *Stream)) {
	defer func() {
		if p := recover(); p != nil {
			x.c.log.Error("handler of a node stream panicked", "kind", kind, "panic", p)
			s.Close(errors.New("the handler panicked"))
		}
	}()
	accept(s.life, s)
	s.Close(nil)
}
