// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
)

// Headers of requests between nodes.
const (
	headerFrom    = "From"
	headerTo      = "To"      // instance that is meant; empty for any
	headerStream  = "Stream"  // what is asked about a stream; empty for a request
	headerID      = "ID"      // of the opener's end of the stream, in hexadecimal
	headerFailure = "Failure" // of the answer
)

// What headerStream says: that a stream is to be opened, and what comes with it; that its
// opener does not wait for it; or, of the answer, that it is open.
const (
	openBare      = "bare"
	openWhole     = "message"
	openPart      = "part" // the first of a message
	openAsk       = "ask"  // a message, and the answer may be the answer to it
	openAbandoned = "abandoned"
	opened        = "opened"
)

// What headerFailure says; anything else is a handler's error.
const (
	failBusy    = "busy"
	failKind    = "kind"
	failGone    = "gone"
	failNothing = "nothing" // the handler has ended without an answer
	failHandler = "error"
)

var kindRule = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)

// kindPing is answered by every node.
const kindPing = "ping"

// exchange is this node's end of requests and streams between nodes. One
// subscription takes them all.
type exchange struct {
	c       *Cluster
	subject string // before the node's name
	slots   chan struct{}
	wg      sync.WaitGroup // of handlers

	mu       sync.RWMutex
	closed   bool
	acceptor map[string]func(context.Context, *Stream)
	streams  map[uint64]*Stream
}

func newExchange(c *Cluster) *exchange {
	return &exchange{
		c: c, subject: c.cfg.Cluster + ".node.", slots: make(chan struct{}, c.cfg.MaxRequests),
		acceptor: map[string]func(context.Context, *Stream){}, streams: map[uint64]*Stream{},
	}
}

func (x *exchange) start() error {
	name := x.c.cfg.Name
	for subject, take := range map[string]nats.MsgHandler{
		x.subject + name + ".*":            x.receive,
		x.c.cfg.Cluster + ".frame." + name: x.frame,
	} {
		sub, err := x.c.conn.Subscribe(subject, take)
		if err != nil {
			return err
		}
		if err := sub.SetPendingLimits(1<<20, 256<<20); err != nil {
			return err
		}
	}
	return nil
}

// request sends msg and waits for the answer or the loss of the node.
func (x *exchange) request(ctx context.Context, node, kind string, msg *nats.Msg) (*nats.Msg, error) {
	if !nameRule.MatchString(node) || !kindRule.MatchString(kind) {
		return nil, fmt.Errorf("request %q to node %q: not a name", kind, node)
	}
	if len(msg.Data) > maxPayload-1<<10 {
		return nil, ErrTooLarge
	}
	whole, err := x.c.members.reach(ctx, node)
	if err != nil {
		return nil, err
	}
	msg.Subject = x.subject + node + "." + kind
	msg.Header[headerFrom] = []string{x.c.cfg.Name}
	if whole != nil {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(whole, func() { cancel(&nodes.LostError{Node: node, Sent: true}) })()
	}
	answer, err := x.c.conn.RequestMsgWithContext(ctx, msg)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, &nodes.LostError{Node: node}
	case errors.Is(err, nats.ErrConnectionClosed):
		return nil, ErrClosed
	case err != nil && errors.Is(context.Cause(ctx), nodes.ErrLost):
		return nil, context.Cause(ctx)
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %w", nodes.ErrUnanswered, context.Cause(ctx))
	case err != nil:
		return nil, fmt.Errorf("request to node %q: %w", node, err)
	}
	return answer, failure(node, answer)
}

// failure reads what went wrong out of an answer.
func failure(node string, answer *nats.Msg) error {
	switch answer.Header.Get(headerFailure) {
	case "":
		return nil
	case failBusy:
		return fmt.Errorf("%w: %q", ErrBusy, node)
	case failKind:
		return fmt.Errorf("%w: %q", nodes.ErrUnserved, node)
	case failNothing:
		return io.EOF
	case failGone:
		return &nodes.LostError{Node: node}
	}
	return &RemoteError{Node: node, Message: string(answer.Data)}
}

// absent reports whether nobody takes messages for the node.
func (x *exchange) absent(ctx context.Context, node string) bool {
	_, err := x.c.conn.RequestMsgWithContext(ctx, &nats.Msg{Subject: x.subject + node + "." + kindPing})
	return errors.Is(err, nats.ErrNoResponders)
}

// receive takes one request and hands it to a goroutine of its own.
func (x *exchange) receive(m *nats.Msg) {
	kind := m.Subject[len(x.subject)+len(x.c.cfg.Name)+1:]
	if kind == kindPing {
		respond(m, nil, "")
		return
	}
	if m.Header.Get(headerStream) == openAbandoned {
		x.abandoned(m)
		return
	}
	if to := m.Header.Get(headerTo); to != "" && to != x.c.members.self.Instance {
		respond(m, nil, failGone) // it was meant for what ran here before
		return
	}
	x.mu.RLock()
	accept, closed := x.acceptor[kind], x.closed
	if !closed {
		x.wg.Add(1) // under the lock, so that close waits for it
	}
	x.mu.RUnlock()
	if closed {
		return // it is as if this node were gone
	}
	if accept == nil {
		x.wg.Done()
		respond(m, nil, failKind)
		return
	}
	select {
	case x.slots <- struct{}{}:
	default:
		x.wg.Done()
		respond(m, nil, failBusy)
		return
	}
	stream := x.opened(m) // before anything else of it comes
	if stream == nil {
		<-x.slots
		x.wg.Done()
		return
	}
	go func() { // counted above; close waits for it
		defer x.wg.Done()
		defer func() { <-x.slots }()
		x.acceptStream(stream, kind, accept)
	}()
}

func respond(m *nats.Msg, data []byte, failure string) {
	answer := &nats.Msg{Data: data}
	if failure != "" {
		answer.Header = nats.Header{headerFailure: {failure}}
	}
	_ = m.RespondMsg(answer) // who asked has gone, or the connection has
}

// close ends streams, refuses what comes, and waits for handlers.
func (x *exchange) close() {
	x.mu.Lock()
	x.closed = true
	streams := make([]*Stream, 0, len(x.streams))
	for _, s := range x.streams {
		streams = append(streams, s)
	}
	x.mu.Unlock()
	for _, s := range streams {
		s.Close(ErrClosed)
	}
	x.wg.Wait()
}
