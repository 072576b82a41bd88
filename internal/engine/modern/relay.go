// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// kindRetry is the kind of the streams between nodes that carry one retry each:
// first the envelope, then messages of the home to the relay, each with a letter
// before it, and possibly one of the relay. Whoever closes it first ends it.
const kindRetry = "retry"

const (
	relayNotification = 'n'
	relayAnswer       = 'a' // and the HTTP status in two bytes
	relayRefused      = 'r' // nothing has begun
	relayCancelled    = 'x' // the client cancelled, other than by leaving
)

// envelope is a retry on its way to the home of its call. It has passed the
// checks that need headers.
type envelope struct {
	Principal rpc.Principal `json:"principal"`
	Message   Raw           `json:"message"`
}

const (
	// noticeLoss is how long it may take until all agree that a node which could
	// not be reached is lost.
	noticeLoss = 3 * time.Second
	// farewell bounds the attempt to tell the home why its client is gone.
	farewell = time.Second
)

// errHomeLost tells a client what is known of its call: it had started, and
// nobody will know how it ended. It is for the client to decide on another one.
var errHomeLost = jsonrpc.NewError(jsonrpc.CodeInternal, "the node that held the call was lost; start over").WithData(
	Raw(`{"gateway":{"reason":"node_lost","started":true},"restart":true}`))

// errUnreached tells a client that nothing is known of its retry. It may repeat it: a
// retry that was taken after all is not taken twice.
var errUnreached = jsonrpc.NewError(jsonrpc.CodeInternal, "the node that holds the call cannot be reached from here at the moment; repeat the request")

// relay is a retry forwarded to the home of its call, and what its leg belongs
// to here. Its goroutine is started by Protocol.relay, is stopped by cancel, and
// is waited for at the Protocol's gate.
type relay struct {
	p      *Protocol
	req    *request
	leg    leg
	to     *waiting
	cancel context.CancelCauseFunc
}

var _ carried = (*relay)(nil)

// away reports whether a call is at another node, or was at what ran here before.
func (p *Protocol) away(to *waiting) bool {
	return to.Node != "" && p.cfg.Nodes != nil && !to.At(p.cfg.Nodes)
}

// relay forwards a retry to the home of its call. The answer goes to l.
func (p *Protocol) relay(ctx context.Context, req *request, l leg, to *waiting) *jsonrpc.Error {
	if to.LostTo(p.cfg.Nodes) {
		return errHomeLost
	}
	if wire := p.enter(req); wire != nil {
		return wire
	}
	r := &relay{p: p, req: req, leg: l, to: to}
	ctx, r.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	l.serve(r)
	p.crew.Go(func() { r.run(ctx) })
	return nil
}

func (r *relay) abandon(_ leg, cause error) { r.cancel(cause) }

// run forwards until the answer has come, the client has gone, or the home is lost.
func (r *relay) run(ctx context.Context) {
	defer r.p.calls.Leave()
	defer r.p.cfg.Shares.LeaveCall(r.req.client)
	defer r.cancel(nil)
	wire := r.forward(ctx)
	switch {
	case wire == nil:
	case ctx.Err() != nil:
		r.leg.release()
	default:
		r.leg.answer(failure(r.req.in.ID, wire))
	}
}

// forward returns nil when the leg has been answered.
func (r *relay) forward(ctx context.Context) *jsonrpc.Error {
	in := r.req.in
	msg, err := json.Marshal(envelope{*r.req.principal, jsonrpc.AppendRequest(nil, in.ID, in.Method, in.Params)})
	if err != nil {
		r.p.cfg.Log.Error("retry not encoded for another node", "error", err)
		return errUnreached
	}
	stream, err := r.p.cfg.Nodes.Open(ctx, r.to.Address, nil)
	if err != nil {
		r.p.cfg.Log.Warn("retry not forwarded", "node", r.to.Node, "error", err)
		if errors.Is(err, nodes.ErrLost) && nodes.AwaitLoss(ctx, r.p.cfg.Nodes, r.to.Node, r.to.Instance, noticeLoss) {
			return errHomeLost
		}
		return errUnreached
	}
	defer r.close(ctx, stream)
	// A retry is taken once: it must not reach a home that is stopped, and take the call
	// over when its client has been told to repeat it.
	err = stream.Send(ctx, msg)
	for err == nil {
		if msg, err = stream.Receive(ctx); err != nil {
			break
		}
		switch {
		case len(msg) > 1 && msg[0] == relayNotification:
			err = r.leg.send(msg[1:])
		case len(msg) > 3 && msg[0] == relayAnswer:
			r.leg.answer(message{status: int(binary.BigEndian.Uint16(msg[1:])), data: msg[3:]})
			return nil
		case len(msg) == 1 && msg[0] == relayRefused:
			return errUnreached
		default:
			err = fmt.Errorf("message of %d bytes of an unknown kind", len(msg))
		}
	}
	if ctx.Err() == nil {
		r.p.cfg.Log.Warn("forwarded retry broken off", "node", r.to.Node, "error", err)
	}
	return errHomeLost
}

// close ends the stream, and with it what it asked for unless that is done.
func (r *relay) close(ctx context.Context, stream nodes.Stream) {
	if errors.Is(context.Cause(ctx), engine.ErrCancelled) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		_ = stream.Send(ctx, []byte{relayCancelled}) // without it, the client counts as gone
	}
	stream.Close(nil)
}
