// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/quota"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// posted is everything that serving one POSTed request needs, in one piece.
type posted struct {
	turn
	reply reply
	visit visit

	client quota.Client // whose place it takes
	placed bool         // it has not been given back
}

// Post implements [engine.Protocol].
func (p *Protocol) Post(x transport.Exchange, in *engine.Inbound) {
	kind := in.Kind()
	if kind == jsonrpc.Request && in.Method == mcp.MethodInitialize {
		p.initialize(x, in)
		return
	}
	t := &posted{}
	if no := p.open(x, &t.visit); no != nil {
		no.reply(x, in.ID)
		return
	}
	if kind != jsonrpc.Request {
		if err := p.oneWay(x.Context(), &t.visit, in); err != nil {
			p.undelivered(x, &t.visit, err)
			return
		}
		x.Reply(202, nil)
		return
	}
	live, err := p.cfg.Sessions.Acquire(t.visit.id)
	if err != nil {
		unavailable(x, in.ID, err.Error())
		return
	}
	t.reply = reply{x: x, f: t.visit.peer.Features, live: live, home: homeOf(p, live), peers: p.peers, id: in.ID, awake: make(chan struct{})}
	t.request(x.Context(), in, &t.reply, &t.visit, nil)
	t.reply.wait(p.cfg.Limits.Quiet)
}

// request serves one request of an exchange; what is quick at once, everything
// else on a goroutine that holds the live session. done, if any, is called last.
//
// spec 2025-11-25 basic/transports: "Disconnection SHOULD NOT be interpreted as
// the client cancelling its request".
func (t *posted) request(ctx context.Context, in *engine.Inbound, r *reply, v *visit, done func()) {
	p := v.p
	t.out, t.live, t.mem = r, &r.home.live, v
	t.begin(p, in, v.peer, v.principal)
	t.call.Address = v.address
	t.call.AllowLarge = !t.call.AllowTask && r.allowLarge(in.Method)
	if quick(in, v.peer.Features) {
		t.answer(ctx, in, r, done)
		return
	}
	ctx, wire := t.live.flights.Begin(context.WithoutCancel(ctx), in.ID)
	if wire != nil {
		t.conclude(r, appendAnswer(nil, in.ID, nil, wire), nil, done)
		return
	}
	t.client = v.client
	if wire := p.cfg.Shares.EnterCall(t.client); wire != nil {
		t.live.flights.End(in.ID)
		msg := appendAnswer(nil, in.ID, nil, wire)
		r.unavailable(msg)
		t.conclude(r, msg, nil, done)
		return
	}
	t.placed = true
	in.Hold.Keep()
	p.calls.Add(1)
	p.crew.Go(func() {
		defer p.calls.Add(-1)
		defer t.live.flights.End(in.ID)
		defer in.Hold.Release()
		defer t.leave()
		t.answer(ctx, in, r, done)
	})
}

// leave gives the call's place back; idempotent. It comes before the answer is
// written, which may take as long as its client likes.
func (t *posted) leave() {
	if t.placed {
		t.placed = false
		t.p.cfg.Shares.LeaveCall(t.client)
	}
}

// buffers are for responses: a transport does not keep what it is given.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// maxPooled keeps large responses from pinning their buffers.
const maxPooled = 64 << 10

// recycle puts a buffer back, nil for none.
func recycle(buf *[]byte) {
	if buf != nil && cap(*buf) <= maxPooled {
		buffers.Put(buf)
	}
}

func (t *posted) answer(ctx context.Context, in *engine.Inbound, r *reply, done func()) {
	body, wire := t.serve(ctx, in)
	t.leave()
	if errors.Is(context.Cause(ctx), engine.ErrCancelled) { // spec 2025-11-25 basic/utilities/cancellation: no response to what was cancelled
		t.done.Store(true)
		t.settle(r, done)
		return
	}
	if t.large != nil {
		t.answerLarge(ctx, in, r, done)
		return
	}
	if t.shared && wire == nil && len(body) >= wholeFrom && r.respondParts(answerParts(in.ID, body)) {
		t.done.Store(true)
		t.settle(r, done)
		return
	}
	buf := buffers.Get().(*[]byte)
	*buf = appendAnswer((*buf)[:0], in.ID, body, wire)
	if t.unsaved {
		r.unavailable(bytes.Clone(*buf))
	}
	t.conclude(r, *buf, buf, done)
}

// conclude gives the response, and the buffer it is in unless that is nil.
func (t *posted) conclude(r *reply, msg []byte, pooled *[]byte, done func()) {
	t.done.Store(true)
	r.respond(msg, pooled)
	t.settle(r, done)
}

// settle lets go of the session once the response has been given.
func (t *posted) settle(r *reply, done func()) {
	live := r.live
	if done != nil {
		done()
	} else {
		r.finish()
	}
	t.Finished()
	t.p.cfg.Sessions.Release(live)
}

// oneWay takes a notification or a response, which get no answer. What concerns
// nothing here goes to the other nodes; the error says that it may not have
// arrived.
func (p *Protocol) oneWay(ctx context.Context, v *visit, in *engine.Inbound) error {
	if in.Method == mcp.NotificationRootsChanged {
		p.cfg.RootsChanged(v.peer.Session)
		return nil
	}
	if l := p.cfg.Sessions.Find(v.id); l != nil {
		taken := homeOf(p, l).take(p, in)
		p.cfg.Sessions.Release(l)
		if taken {
			return nil
		}
	}
	if p.peers == nil {
		return nil
	}
	return p.peers.forward(ctx, v.id, in)
}

// take handles what needs no answer, for sessions and connections alike. It
// reports whether the message concerned something.
func (l *live) take(p *Protocol, in *engine.Inbound) bool {
	if in.Kind() == jsonrpc.Response {
		taken := l.asks.deliver(&in.Message)
		if !taken {
			p.cfg.Log.Debug("response to no open question here", "id", in.ID.String())
		}
		return taken
	}
	if in.Method != mcp.NotificationCancelled {
		return false
	}
	raw, _ := jsonrpc.Get(in.Params, "requestId")
	id, err := jsonrpc.ParseID(raw)
	if err != nil || !l.flights.Cancel(id, engine.ErrCancelled) {
		p.cfg.Log.Debug("cancellation of no request in flight here", "id", string(raw))
		return false
	}
	return true
}

// PostBatch implements [engine.Protocol].
//
// spec 2025-03-26 basic: batches are received, and initialize is never in one.
func (p *Protocol) PostBatch(x transport.Exchange, batch []jsonrpc.Element) {
	v := &visit{}
	if no := p.open(x, v); no != nil {
		no.reply(x, jsonrpc.ID{})
		return
	}
	if !v.peer.Features.Batching {
		engine.Refuse(x, jsonrpc.ID{}, errBatch(v.peer.Features))
		return
	}
	if !p.takeOneWays(x, v, batch) {
		return
	}
	live, err := p.cfg.Sessions.Acquire(v.id)
	if err != nil {
		unavailable(x, jsonrpc.ID{}, err.Error())
		return
	}
	r := &reply{x: x, f: v.peer.Features, live: live, home: homeOf(p, live), peers: p.peers, batch: true, awake: make(chan struct{})}
	var open atomic.Int64 // requests unanswered, and this function
	open.Store(1)
	done := func() {
		if open.Add(-1) == 0 {
			r.finish()
		}
	}
	ctx := x.Context()
	for i := range batch {
		e := &batch[i]
		in := engine.NewInbound(e.Message)
		in.Hold = transport.HoldOf(x)
		switch wire := batchError(e); {
		case wire != nil:
			r.respond(jsonrpc.AppendError(nil, in.ID, wire), nil)
		case in.Kind() != jsonrpc.Request: // taken above
		default:
			// Each request holds the same entry, until it is answered.
			if _, err := p.cfg.Sessions.Acquire(v.id); err != nil {
				r.respond(jsonrpc.AppendError(nil, in.ID, jsonrpc.NewError(jsonrpc.CodeInternal, err.Error())), nil)
				continue
			}
			open.Add(1)
			r.serves(in.ID)
			(&posted{}).request(ctx, in, r, v, done)
		}
	}
	done()
	r.wait(p.cfg.Limits.Quiet)
	p.cfg.Sessions.Release(live)
}

// takeOneWays takes the members of a batch that get no answer of their own, before
// the others are begun. It reports false when it has answered the batch: there
// were no others, or a member has not arrived.
func (p *Protocol) takeOneWays(x transport.Exchange, v *visit, batch []jsonrpc.Element) bool {
	others := false
	for i := range batch {
		e := &batch[i]
		if e.Err != nil || e.Message.Kind() == jsonrpc.Request {
			others = true
			continue
		}
		if err := p.oneWay(x.Context(), v, engine.NewInbound(e.Message)); err != nil {
			p.undelivered(x, v, err)
			return false
		}
	}
	if !others {
		x.Reply(202, nil)
	}
	return others
}

// undelivered tells a client that its notification or response has not arrived.
func (p *Protocol) undelivered(x transport.Exchange, v *visit, err error) {
	p.lines.Log(p.cfg.Log, slog.LevelWarn, "message not delivered", "session", v.peer.Session, "error", err)
	unavailable(x, jsonrpc.ID{}, "the message could not be delivered")
}

// batchError returns what stands for a member that is not served, or nil.
func batchError(e *jsonrpc.Element) *jsonrpc.Error {
	if e.Err == nil && e.Message.Method == mcp.MethodInitialize {
		return jsonrpc.NewError(jsonrpc.CodeInvalidRequest, "initialize must not be in a batch")
	}
	return e.Err
}

func errBatch(f *mcp.Features) error {
	if f == nil {
		return jsonrpc.NewError(jsonrpc.CodeInvalidRequest, "batches are not received before initialize")
	}
	return jsonrpc.Errorf(jsonrpc.CodeInvalidRequest, "version %s has no batches", f.Version)
}

// endSession ends what is live of a session that has been deleted.
func (p *Protocol) endSession(v *visit) {
	v.withHome((*home).finish)
}

// errEnded is the cause of a call's context when its session was deleted.
var errEnded = jsonrpc.NewError(jsonrpc.CodeInternal, "the client ended the session")
