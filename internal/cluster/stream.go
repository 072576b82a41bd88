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
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

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
