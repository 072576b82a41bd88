// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"
	"errors"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/gate"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// link serves the modern requests of one Conn: the same as over HTTP, without
// headers, and cancelled by notifications/cancelled.
type link struct {
	p       *Protocol
	conn    transport.Conn
	ctx     context.Context
	cancel  context.CancelFunc
	stop    func() bool // ends the watch over the Protocol
	flights *engine.Flights
	listens *gate.Gate
	hearing context.Context // ends when no listen has a reader any more
	hush    context.CancelFunc
}

// Attach implements [engine.Protocol].
func (p *Protocol) Attach(ctx context.Context, conn transport.Conn) engine.Link {
	l := &link{
		p: p, conn: conn, flights: engine.NewFlights(p.cfg.Limits.CallsPerConn),
		listens: gate.New(p.cfg.Limits.ListensPerConn),
	}
	l.ctx, l.cancel = context.WithCancel(ctx)
	l.hearing, l.hush = context.WithCancel(l.ctx)
	l.stop = context.AfterFunc(p.ctx, l.cancel)
	return l
}

// Receive implements [engine.Link].
//
// spec 2026-07-28 basic/transports#stdio: clients must not write responses;
// cancelled is the only notification that means something.
func (l *link) Receive(in *engine.Inbound) {
	switch in.Kind() {
	case jsonrpc.Notification:
		if in.Method == mcp.NotificationCancelled {
			raw, _ := jsonrpc.Get(in.Params, "requestId")
			if id, err := jsonrpc.ParseID(raw); err == nil {
				l.flights.Cancel(id, engine.ErrCancelled)
			}
		}
	case jsonrpc.Request:
		if wire := l.request(in); wire != nil {
			l.write(jsonrpc.AppendError(nil, in.ID, wire))
		}
	}
}

// request begins serving a request; an error is for the caller to send.
func (l *link) request(in *engine.Inbound) *jsonrpc.Error {
	req, wire := l.p.validate(l.ctx, in, nil)
	if wire != nil {
		return wire
	}
	req.client = engine.ClientOf(l.conn, req.principal)
	ctx, wire := l.flights.Begin(l.ctx, in.ID)
	if wire != nil {
		return wire
	}
	in.Hold.Keep()
	if req.method.name == mcp.MethodListen {
		wire = l.listen(ctx, req)
	} else {
		wire = l.begin(ctx, req)
	}
	if wire != nil {
		l.end(in)
	}
	return wire
}

// end ends a request in flight.
func (l *link) end(in *engine.Inbound) {
	l.flights.End(in.ID)
	in.Hold.Release()
}

func (l *link) begin(ctx context.Context, req *request) *jsonrpc.Error {
	return l.p.begin(l.ctx, req, &connLeg{link: l, req: req, ctx: ctx})
}

// listen opens and runs a listen on its own goroutine, which ends with ctx.
func (l *link) listen(ctx context.Context, req *request) *jsonrpc.Error {
	if !l.listens.Enter() {
		return jsonrpc.Errorf(jsonrpc.CodeInternal, "more than %d listens on this connection", l.p.cfg.Limits.ListensPerConn)
	}
	send := func(msg []byte) error {
		if ctx.Err() != nil { // nothing more is sent for a cancelled request
			return context.Cause(ctx)
		}
		return l.conn.Write(msg)
	}
	go func() {
		defer l.end(req.in)
		defer l.listens.Leave()
		unhush := context.AfterFunc(l.hearing, func() { l.flights.Cancel(req.in.ID, engine.ErrDisconnected) })
		defer unhush()
		n, wire := l.p.openListen(ctx, req)
		if wire != nil {
			if err := send(jsonrpc.AppendError(nil, req.in.ID, wire)); err != nil {
				l.p.cfg.Log.Debug("refusal not delivered", "error", err)
			}
			return
		}
		n.run(send, ctx.Done())
	}()
	return nil
}

func (l *link) write(msg []byte) {
	if err := l.conn.Write(msg); err != nil {
		l.p.cfg.Log.Debug("message not delivered", "error", err)
	}
}

// ReceiveBatch implements [engine.Link].
func (l *link) ReceiveBatch([]jsonrpc.Element, *transport.Hold) {
	l.write(jsonrpc.AppendError(nil, jsonrpc.ID{}, errBatch))
}

// Finish implements [engine.Link]. Listens end at once: nothing is left to hear.
func (l *link) Finish(ctx context.Context) {
	l.hush()
	l.flights.Wait(ctx)
}

// Close implements [engine.Link]. Calls that are parked belong to no link and
// go on waiting for their clients.
func (l *link) Close() {
	l.stop()
	l.cancel()
	l.flights.Close(engine.ErrDisconnected)
}

// connLeg is a leg over a Conn.
type connLeg struct {
	link *link
	req  *request
	ctx  context.Context // ends when the client cancels the request
	call carried         // set by serve
	stop func() bool     // ends the watch over ctx; set by serve

	mu    sync.Mutex // held while writing too: nothing follows a cancellation
	ended bool
}

var _ leg = (*connLeg)(nil)

func (g *connLeg) from() *request { return g.req }

func (g *connLeg) serve(c carried) {
	g.call = c
	g.stop = context.AfterFunc(g.ctx, func() {
		g.mu.Lock()
		g.ended = true
		g.mu.Unlock()
		c.abandon(g, cancelCause(g.ctx))
	})
}

// cancelCause says why a request on a Conn ended: the client cancelled it, or
// the connection ended.
func cancelCause(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, engine.ErrCancelled) {
		return cause
	}
	return engine.ErrDisconnected
}

func (g *connLeg) send(msg []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return nil
	}
	return g.link.conn.Write(msg)
}

func (g *connLeg) answer(m message) {
	defer m.release()
	g.release() // first, as the client may use the id again once it has the answer
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return
	}
	g.ended = true
	to, ok := g.link.conn.(transport.PartsWriter)
	if m.parts == nil || !ok {
		g.link.write(m.whole())
		return
	}
	if err := to.WriteParts(m.parts); err != nil {
		g.link.p.cfg.Log.Debug("message not delivered", "error", err)
	}
}

func (g *connLeg) release() {
	g.stop()
	g.link.end(g.req.in)
}
