// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"bytes"
	"context"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// leg is one request of a call and the way its answer goes back: the first
// request, or a retry that took the call over. Its methods are safe for
// concurrent use.
type leg interface {
	// from returns the request.
	from() *request
	// send sends a notification; it fails when the client has gone. On an
	// answered leg it does nothing.
	send(msg []byte) error
	// answer sends the final message and ends the leg. Only the first answer is
	// sent, and none to a client that has gone. The leg takes the message over.
	answer(m message)
	// release ends the leg of a client that has gone, once its call has stopped.
	release()
	// serve tells the leg whose it is, before that one can use it.
	serve(c carried)
}

// message is an answer on its way to a client.
type message struct {
	status int      // the HTTP status it deserves
	data   []byte   // the whole of it, or
	parts  [][]byte // its parts, some of which other answers share
	pooled *[]byte  // the buffer that data is in, if that is to be used again
}

// whole returns the message in one piece.
func (m *message) whole() []byte {
	if m.parts != nil {
		return bytes.Join(m.parts, nil)
	}
	return m.data
}

// release gives the buffer back. The message is of no use afterwards.
func (m *message) release() {
	if m.pooled != nil {
		putBuffer(m.pooled)
	}
}

// failure is the message of an error that answers request id.
func failure(id jsonrpc.ID, wire *jsonrpc.Error) message {
	return message{status: statusOf(wire), data: jsonrpc.AppendError(nil, id, wire)}
}

// carried is what a leg belongs to: a call of this node, or a relay to one of
// another.
type carried interface {
	// abandon says that the client of l has gone. It does nothing when l has been
	// replaced.
	abandon(l leg, cause error)
}

var _ carried = (*call)(nil)

// begin starts the call that a request asks for, or lets the request take over
// the parked call it continues. The answer goes to l. An error means that
// nothing began and that the caller answers.
func (p *Protocol) begin(ctx context.Context, req *request, l leg) *jsonrpc.Error {
	if len(req.state) > 0 && req.state[0] == parkedPrefix {
		return p.resume(ctx, req, l)
	}
	c := &call{p: p, leg: l, peer: req.peer, method: req.method}
	in := req.in
	c.Call = rpc.Call{
		Method: in.Method, ID: in.ID, Params: in.Params, Target: req.target,
		Arguments: in.Fields.Arguments, Meta: in.Fields.Meta.Raw, Peer: req.peer, Principal: req.principal,
		Address: rpc.AddressFrom(ctx), ProgressToken: req.progress, LogLevel: req.level, AllowTask: p.allowTask(req), Client: c,
		AllowLarge: allowLarge(req, l), Seat: in.Hold,
	}
	c.Input.Responses = req.responses
	enter := p.enter
	if req.state != "" {
		state, wire := p.openState(req)
		if wire != nil {
			return wire
		}
		c.Input.State, c.round = state.data, state.round
		enter = p.reenter // what asked may be gone when this node is
	}
	if wire := enter(req); wire != nil {
		return wire
	}
	c.place, c.hold = &req.client, in.Hold
	c.hold.Keep()
	ctx, c.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	l.serve(c)
	p.crew.Go(func() { c.run(ctx) })
	return nil
}

// enter takes a place for what a request asks for.
func (p *Protocol) enter(req *request) *jsonrpc.Error { return p.place(req, p.calls.Enter) }

// reenter is enter for a request that continues what was begun by another.
func (p *Protocol) reenter(req *request) *jsonrpc.Error { return p.place(req, p.calls.Continue) }

func (p *Protocol) place(req *request, enter func() bool) *jsonrpc.Error {
	if wire := p.cfg.Shares.EnterCall(req.client); wire != nil {
		return wire
	}
	if !enter() {
		p.cfg.Shares.LeaveCall(req.client)
		return errBusy
	}
	return nil
}

var errBusy = jsonrpc.NewError(jsonrpc.CodeInternal, "the server is busy or shutting down; try again later")
