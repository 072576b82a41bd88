// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/quota"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// link serves one connection, which is the session. Its goroutines are one per
// request and one for the subscriptions; Close ends and awaits them.
type link struct {
	p         *Protocol
	c         transport.Conn
	ctx       context.Context
	cancel    context.CancelCauseFunc
	principal *rpc.Principal
	client    quota.Client // whose places its calls and subscriptions take
	session   session.ID   // of the reading goroutine, until Close
	resumed   bool         // the session is an earlier connection's; of the reading goroutine
	live      live
	wg        sync.WaitGroup

	// greeting is closed when the latest initialize has been served; nil before
	// one came. It belongs to the reading goroutine.
	greeting chan struct{}

	mu       sync.Mutex
	peer     *rpc.Peer // nil before initialize
	logLevel mcp.LogLevel
	sub      *subscription.Subscriber // nil before initialize
	untell   context.CancelFunc       // ends telling of sub's changes
	uris     map[string]struct{}
	all      engine.Subscribed // of uris
	kept     *visit            // the session, if it may outlive the connection
	confirm  *time.Timer       // runs until its record is to be confirmed; nil when there is none
}

var (
	_ engine.Link = (*link)(nil)
	_ outlet      = (*link)(nil)
)

// Attach implements [engine.Protocol].
func (p *Protocol) Attach(ctx context.Context, c transport.Conn) engine.Link {
	ctx, cancel := context.WithCancelCause(ctx)
	principal := rpc.PrincipalFrom(ctx)
	l := &link{
		p: p, c: c, ctx: ctx, cancel: cancel, principal: principal, client: engine.ClientOf(c, principal), session: session.NewID(),
		live: live{flights: engine.NewFlights(p.cfg.Limits.InFlight)}, logLevel: defaultLevel, uris: map[string]struct{}{},
	}
	l.resume()
	p.links.enter(l.session)
	return l
}

// Receive implements [engine.Link].
func (l *link) Receive(in *engine.Inbound) {
	switch {
	case in.Kind() != jsonrpc.Request:
		l.oneWay(in)
	case in.Method == mcp.MethodInitialize:
		l.initialize(in)
	default:
		l.request(in, nil)
	}
}

// oneWay takes a notification or a response, which get no answer.
func (l *link) oneWay(in *engine.Inbound) {
	if in.Method != mcp.NotificationRootsChanged {
		l.live.take(l.p, in)
	} else if peer := l.known(); peer != nil {
		l.p.cfg.RootsChanged(peer.Session)
	}
}

// request serves one request, of a batch unless g is nil.
func (l *link) request(in *engine.Inbound, g *gathered) {
	respond := l.answer // gets nil when there is no response because the client cancelled
	if g != nil {
		respond = g.respond
	}
	if in.Method == mcp.MethodPing { // before initialize too
		respond(jsonrpc.AppendResult(nil, in.ID, Raw("{}")))
		return
	}
	if l.greeting == nil && !l.presume() {
		respond(jsonrpc.AppendError(nil, in.ID, jsonrpc.NewError(jsonrpc.CodeInvalidRequest, "initialize first")))
		return
	}
	greeting := l.greeting
	ctx, wire := l.live.flights.Begin(l.ctx, in.ID)
	if wire != nil {
		respond(jsonrpc.AppendError(nil, in.ID, wire))
		return
	}
	if wire := l.p.cfg.Shares.EnterCall(l.client); wire != nil {
		l.live.flights.End(in.ID)
		respond(jsonrpc.AppendError(nil, in.ID, wire))
		return
	}
	in.Hold.Keep()
	l.wg.Go(func() {
		defer l.live.flights.End(in.ID)
		defer in.Hold.Release()
		t := &turn{out: l, live: &l.live, mem: l}
		defer t.Finished()
		body, shared, wire := l.serve(ctx, in, greeting, t)
		l.p.cfg.Shares.LeaveCall(l.client)
		switch {
		case errors.Is(context.Cause(ctx), engine.ErrCancelled):
			respond(nil) // spec 2025-11-25 basic/utilities/cancellation: no response to what was cancelled
		case shared && wire == nil && len(body) >= wholeFrom && g == nil:
			l.answerWhole(in.ID, body)
		default:
			respond(appendAnswer(nil, in.ID, body, wire))
		}
	})
}

// answerWhole writes a response with a result that others get too, without a copy
// of it if the connection can.
func (l *link) answerWhole(id jsonrpc.ID, body Raw) {
	to, ok := l.c.(transport.PartsWriter)
	if !ok {
		l.answer(appendAnswer(nil, id, body, nil))
		return
	}
	if err := to.WriteParts(answerParts(id, body)); err != nil {
		l.p.cfg.Log.Debug("message not delivered", "error", err)
	}
}

// serve serves a request, which is t, once the client has been greeted. shared says whether
// others get the same result.
func (l *link) serve(ctx context.Context, in *engine.Inbound, greeting <-chan struct{}, t *turn) (body Raw, shared bool, wire *jsonrpc.Error) {
	select {
	case <-greeting:
	case <-ctx.Done():
		return nil, false, jsonrpc.NewError(jsonrpc.CodeInternal, "the call was cancelled")
	}
	peer := l.known()
	if peer == nil {
		return nil, false, jsonrpc.NewError(jsonrpc.CodeInvalidRequest, "initialize has failed")
	}
	t.begin(l.p, in, peer, l.principal)
	t.call.Address = rpc.AddressFrom(l.ctx)
	defer t.done.Store(true)
	body, wire = t.serve(ctx, in)
	return body, t.shared, wire
}

func (l *link) known() *rpc.Peer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.peer
}

// initialize greets the client. Requests that come meanwhile wait.
func (l *link) initialize(in *engine.Inbound) {
	if l.resumed {
		l.renew()
	} else if l.greeting != nil && !l.failed() {
		l.answer(jsonrpc.AppendError(nil, in.ID, jsonrpc.NewError(jsonrpc.CodeInvalidRequest, "the connection is initialized already")))
		return
	}
	greeted := make(chan struct{})
	l.greeting = greeted
	in.Hold.Keep()
	id := l.session
	l.wg.Go(func() {
		defer close(greeted)
		defer in.Hold.Release()
		body, wire := l.greet(in, id)
		l.answer(appendAnswer(nil, in.ID, body, wire))
	})
}

// failed reports whether the last initialize has been refused.
func (l *link) failed() bool {
	select {
	case <-l.greeting:
		return l.known() == nil
	default:
		return false
	}
}

func (l *link) greet(in *engine.Inbound, id session.ID) (Raw, *jsonrpc.Error) {
	peer, wire := l.p.newPeer(in, id)
	if wire != nil {
		return nil, wire
	}
	body, wire := l.p.welcome(l.ctx, peer, l.principal)
	if wire != nil {
		return nil, mcp.DownError(peer.Features, in.Method, wire)
	}
	l.listen(peer)
	l.remember(id, peer)
	return body, nil
}

// listen makes peer the client and tells it of changes of the lists.
func (l *link) listen(peer *rpc.Peer) {
	sub := l.p.cfg.Hub.SubscribeAs(audience(peer, l.principal), subscription.Topic{Kind: subscription.Tools},
		subscription.Topic{Kind: subscription.Prompts}, subscription.Topic{Kind: subscription.Resources})
	ctx, untell := context.WithCancel(l.ctx)
	l.mu.Lock()
	l.peer, l.sub, l.untell = peer, sub, untell
	l.mu.Unlock()
	l.wg.Go(func() {
		defer untell()
		l.tell(ctx, peer.Features, sub)
	})
}

// tell tells the client of changes until ctx ends.
func (l *link) tell(ctx context.Context, f *mcp.Features, sub *subscription.Subscriber) {
	defer sub.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sub.Wake():
		}
		for e, ok := sub.Take(); ok; e, ok = sub.Take() {
			if msg := changed(f, e); msg != nil {
				l.answer(msg)
			}
		}
	}
}

// answer writes a message; one for a client that has gone is dropped.
func (l *link) answer(msg []byte) {
	if msg == nil {
		return
	}
	if err := l.c.Write(msg); err != nil {
		l.p.cfg.Log.Debug("message not delivered", "error", err)
	}
}

// ReceiveBatch implements [engine.Link].
func (l *link) ReceiveBatch(batch []jsonrpc.Element, hold *transport.Hold) {
	peer := l.known()
	if peer == nil || !peer.Features.Batching {
		var f *mcp.Features
		if peer != nil {
			f = peer.Features
		}
		wire, _ := jsonrpc.AsError(errBatch(f))
		l.answer(jsonrpc.AppendError(nil, jsonrpc.ID{}, wire))
		return
	}
	g := &gathered{to: l, open: 1}
	for i := range batch {
		e := &batch[i]
		in := engine.NewInbound(e.Message)
		in.Hold = hold
		switch wire := batchError(e); {
		case wire != nil:
			g.add()
			g.respond(jsonrpc.AppendError(nil, in.ID, wire))
		case in.Kind() != jsonrpc.Request:
			l.oneWay(in)
		default:
			g.add()
			l.request(in, g)
		}
	}
	g.respond(nil)
}

// gathered collects the responses of a batch into one array.
type gathered struct {
	to *link

	mu   sync.Mutex
	open int
	text []byte
}

func (g *gathered) add() {
	g.mu.Lock()
	g.open++
	g.mu.Unlock()
}

func (g *gathered) respond(msg []byte) {
	g.mu.Lock()
	if msg != nil {
		if g.text == nil {
			g.text = append(g.text, '[')
		} else {
			g.text = append(g.text, ',')
		}
		g.text = append(g.text, msg...)
	}
	g.open--
	last, text := g.open == 0, g.text
	g.mu.Unlock()
	if last && text != nil {
		g.to.answer(append(text, ']'))
	}
}

// Finish implements [engine.Link].
func (l *link) Finish(ctx context.Context) { l.live.flights.Wait(ctx) }

// Close implements [engine.Link].
func (l *link) Close() {
	l.cancel(engine.ErrDisconnected)
	l.live.flights.Close(engine.ErrDisconnected)
	l.wg.Wait()
	l.over()
	if peer := l.known(); l.p.links.leave(l.session) && peer != nil {
		l.p.cfg.Ended(peer.Session)
	}
}

func (l *link) send(msg []byte) error {
	if err := l.c.Write(msg); err != nil {
		return engine.ErrDisconnected
	}
	return nil
}

func (l *link) interactive() bool    { return true }
func (l *link) aside(msg []byte)     { l.answer(msg) }
func (l *link) detach(time.Duration) {}
