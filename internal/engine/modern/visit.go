// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// visitLeg is a leg whose client is at another node, which has forwarded its
// retry here.
type visitLeg struct {
	req    *request
	call   carried // nil until it has taken a call over
	ctx    context.Context
	done   context.CancelCauseFunc // ends ctx
	stream nodes.Stream

	mu    sync.Mutex // held while writing too: one message at a time, and nothing after the answer
	ended bool
}

var _ leg = (*visitLeg)(nil)

// errAnswered is why the wait for a visitor ends that has its answer.
var errAnswered = errors.New("answered")

// acceptRetry serves a retry that another node has forwarded. It returns once
// the retry is answered or nobody waits for that any more.
func (p *Protocol) acceptRetry(ctx context.Context, stream nodes.Stream) {
	if !p.visits.Enter() { // too many, or shutting down
		_ = stream.Send(ctx, []byte{relayRefused})
		return
	}
	defer p.visits.Leave()
	ctx, done := context.WithCancelCause(ctx)
	defer done(nil)
	defer context.AfterFunc(p.ctx, func() { done(errEnding) })()
	req, to, err := p.readRetry(ctx, stream)
	if err != nil {
		p.cfg.Log.Warn("forwarded retry not taken", "error", err)
		_ = stream.Send(ctx, []byte{relayRefused})
		return
	}
	l := &visitLeg{req: req, ctx: ctx, done: done, stream: stream}
	wire := errHomeLost
	if !p.away(to) {
		wire = p.takeOver(req, l, to)
	}
	if wire != nil {
		l.answer(failure(req.in.ID, wire))
		return
	}
	l.wait()
}

// errEnding is why the wait for a visitor ends when the Protocol closes.
var errEnding = errors.New("shutting down")

// readRetry receives a retry and checks it as if its client were here, but for
// the headers, which the node that forwarded it has checked.
func (p *Protocol) readRetry(ctx context.Context, stream nodes.Stream) (*request, *waiting, error) {
	data, err := stream.Receive(ctx)
	if err != nil {
		return nil, nil, err
	}
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, nil, err
	}
	msg, err := jsonrpc.Decode(e.Message, jsonrpc.Limits{})
	if err != nil {
		return nil, nil, err
	}
	req, wire := p.validate(rpc.WithPrincipal(ctx, &e.Principal), engine.NewInbound(msg), nil)
	if wire != nil {
		return nil, nil, wire
	}
	if len(req.state) == 0 || req.state[0] != parkedPrefix {
		return nil, nil, errState
	}
	to, err := p.openToken(req)
	if err != nil {
		return nil, nil, err
	}
	return req, &to, nil
}

// wait waits until the leg is answered or its client has gone, which cancels the
// call.
func (l *visitLeg) wait() {
	msg, err := l.stream.Receive(l.ctx)
	cause := engine.ErrDisconnected
	switch {
	case errors.Is(err, errAnswered):
		return
	case errors.Is(err, errEnding):
		l.call.abandon(l, errClosing)
		l.answer(failure(l.req.in.ID, errClosing))
		return
	case err == nil && len(msg) == 1 && msg[0] == relayCancelled:
		cause = engine.ErrCancelled
	}
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.call.abandon(l, cause)
}

func (l *visitLeg) from() *request  { return l.req }
func (l *visitLeg) serve(c carried) { l.call = c }
func (l *visitLeg) release()        {}

func (l *visitLeg) send(msg []byte) error {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return nil
	}
	err := l.stream.Send(l.ctx, append([]byte{relayNotification}, msg...))
	l.mu.Unlock()
	if err != nil {
		l.call.abandon(l, engine.ErrDisconnected)
		return engine.ErrDisconnected
	}
	return nil
}

func (l *visitLeg) answer(m message) {
	defer m.release()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.ended = true
	ctx := l.ctx
	if ctx.Err() != nil { // this node is shutting down, or the client has gone
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		ctx = limited
	}
	head := binary.BigEndian.AppendUint16([]byte{relayAnswer}, uint16(m.status)) // a status has three digits
	_ = l.stream.Send(ctx, append(head, m.whole()...))                           // a failure means that the client has gone
	l.done(errAnswered)
}
