// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Protocol is one era's rules. It is safe for concurrent use.
type Protocol interface {
	// Era says which era this is.
	Era() mcp.Era
	// Post answers a POST whose body was one valid message. It may return with
	// the exchange's stream open.
	Post(x transport.Exchange, in *Inbound)
	// PostBatch answers a POST whose body was an array.
	PostBatch(x transport.Exchange, batch []jsonrpc.Element)
	// Other answers GET and DELETE.
	Other(x transport.Exchange)
	// Attach begins serving this era's messages on c. ctx ends with the connection.
	Attach(ctx context.Context, c transport.Conn) Link
}

// Link is one era's part in serving one Conn. Receive and ReceiveBatch are
// called from the reading goroutine only and must not wait for handlers.
type Link interface {
	Receive(in *Inbound)
	// ReceiveBatch receives an array, whose messages have one hold.
	ReceiveBatch(batch []jsonrpc.Element, hold *transport.Hold)
	// Finish waits until the calls in flight have been answered, or ctx ends. No
	// new request is received after it has begun. It is safe for use beside Receive.
	Finish(ctx context.Context)
	// Close ends the link: calls still running are cancelled and waited for.
	Close()
}

// Engine serves both eras on one endpoint.
type Engine struct {
	legacy, modern Protocol
	limits         jsonrpc.Limits
	log            *slog.Logger
}

// New returns an engine of the given protocols, at most one per era and at
// least one in all.
func New(limits jsonrpc.Limits, log *slog.Logger, protocols ...Protocol) *Engine {
	e := &Engine{limits: limits, log: log}
	for _, p := range protocols {
		if p.Era() == mcp.Modern {
			e.modern = p
		} else {
			e.legacy = p
		}
	}
	if e.legacy == nil && e.modern == nil {
		panic("engine: no protocol")
	}
	return e
}

var _ transport.Server = (*Engine)(nil)

// ServeExchange answers one HTTP request in the era it speaks.
func (e *Engine) ServeExchange(x transport.Exchange) {
	if x.Verb() != "POST" {
		e.chooseOther(x).Other(x)
		return
	}
	if jsonrpc.IsBatch(x.Body()) {
		e.exchangeBatch(x)
		return
	}
	msg, err := jsonrpc.Decode(x.Body(), e.limits)
	if err != nil {
		Refuse(x, msg.ID, err)
		return
	}
	in := NewInbound(msg)
	in.Hold = transport.HoldOf(x)
	e.choose(in, x).Post(x, in)
}

func (e *Engine) exchangeBatch(x transport.Exchange) {
	batch, err := jsonrpc.DecodeBatch(x.Body(), e.limits)
	if err != nil {
		Refuse(x, jsonrpc.ID{}, err)
		return
	}
	e.first().PostBatch(x, batch)
}

// choose classifies a POST. A message is modern when its own metadata says so,
// or when its header names a modern version; else it is legacy.
func (e *Engine) choose(in *Inbound, x transport.Exchange) Protocol {
	switch {
	case e.modern == nil:
		return e.legacy
	case e.legacy == nil || in.Era() == mcp.Modern:
		return e.modern
	}
	if namesModern(x) {
		return e.modern
	}
	return e.legacy
}

// chooseOther classifies a GET or DELETE, which only a header can tell to be modern.
//
// spec 2026-07-28 basic/transports: GET and DELETE are answered 405.
func (e *Engine) chooseOther(x transport.Exchange) Protocol {
	if e.modern != nil && namesModern(x) {
		return e.modern
	}
	return e.first()
}

// namesModern reports whether the version header names a modern revision.
func namesModern(x transport.Exchange) bool {
	return slices.ContainsFunc(x.Header(mcp.HeaderProtocolVersion), func(v string) bool { return mcp.Version(v).Era() == mcp.Modern })
}

// first returns the protocol that answers what no message classifies: verbs and
// batches exist only in legacy, which knows best how to answer or refuse them.
func (e *Engine) first() Protocol {
	if e.legacy != nil {
		return e.legacy
	}
	return e.modern
}

// ServeConn serves c until its peer leaves or ctx ends. Each request is
// classified by itself, so both eras may share a connection.
func (e *Engine) ServeConn(ctx context.Context, c transport.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	s := &served{e: e, ctx: ctx, c: c, links: map[mcp.Era]Link{}}
	defer c.Close()
	defer func() {
		cancel()
		s.draining.Wait()
		for _, l := range s.links {
			l.Close()
		}
	}()
	if r, ok := c.(transport.Resumer); ok && len(r.Header(mcp.HeaderLastEventID)) > 0 && e.legacy != nil {
		s.link(e.legacy) // whose client has something to hear before it says anything
	}
	for {
		data, err := c.Read()
		switch {
		case errors.Is(err, transport.ErrTooLarge):
			e.refuse(c, transport.TooLargeID(err), jsonrpc.Errorf(jsonrpc.CodeInvalidRequest, "message is over the limit of %d bytes", e.limits.Bytes))
		case errors.Is(err, transport.ErrDraining):
			s.drain()
		case errors.Is(err, io.EOF) && ctx.Err() == nil:
			finish(ctx, s.links)
			return nil
		case ctx.Err() != nil || errors.Is(err, transport.ErrClosed):
			return nil
		case err != nil:
			return err
		default:
			s.receive(data)
		}
	}
}

// finishGrace is how long calls may take after their peer said its last word.
const finishGrace = 2 * time.Second

// finish lets calls in flight be answered: a peer that ended its side may still
// read ours.
func finish(ctx context.Context, links map[mcp.Era]Link) {
	ctx, cancel := context.WithTimeout(ctx, finishGrace)
	defer cancel()
	for _, l := range links {
		l.Finish(ctx)
	}
}

// served is a Conn in service. It belongs to the reading goroutine.
type served struct {
	e     *Engine
	ctx   context.Context
	c     transport.Conn
	links map[mcp.Era]Link

	last     bool           // no new requests are taken
	draining sync.WaitGroup // of the goroutine that drain starts
}

// errDraining answers requests that come while the Conn is draining.
var errDraining = jsonrpc.NewError(jsonrpc.CodeInternal, "the server is shutting down; connect again")

// drain closes the Conn as soon as the calls in flight have been answered, on a
// goroutine that ServeConn waits for and ctx ends. What such calls may wait for,
// answers to their questions and cancellations, is received meanwhile.
func (s *served) drain() {
	s.last = true
	links := maps.Clone(s.links)
	s.draining.Go(func() {
		for _, l := range links {
			l.Finish(s.ctx)
		}
		s.c.Close()
	})
}

// link returns an era's part in serving the Conn.
func (s *served) link(p Protocol) Link {
	l := s.links[p.Era()]
	if l == nil {
		l = p.Attach(s.ctx, s.c)
		s.links[p.Era()] = l
	}
	return l
}

// receive hands one message to its era.
func (s *served) receive(data []byte) {
	e, hold := s.e, transport.HoldOf(s.c)
	defer hold.Release()
	if jsonrpc.IsBatch(data) {
		batch, err := jsonrpc.DecodeBatch(data, e.limits)
		switch {
		case err != nil:
			e.refuse(s.c, jsonrpc.ID{}, err)
		case s.last:
			e.refuse(s.c, jsonrpc.ID{}, errDraining)
		default:
			s.link(e.first()).ReceiveBatch(batch, hold)
		}
		return
	}
	msg, err := jsonrpc.Decode(data, e.limits)
	if err != nil {
		e.refuse(s.c, msg.ID, err)
		return
	}
	in := NewInbound(msg)
	in.Hold = hold
	switch {
	case s.last && in.Kind() == jsonrpc.Request:
		e.refuse(s.c, in.ID, errDraining)
	// A cancellation names a request of either era; each link knows its own.
	case in.Method == mcp.NotificationCancelled && in.Era() == 0 && e.legacy != nil && e.modern != nil:
		s.link(e.modern).Receive(in)
		s.link(e.legacy).Receive(in)
	case e.modern != nil && (e.legacy == nil || in.Era() == mcp.Modern):
		s.link(e.modern).Receive(in)
	default:
		s.link(e.legacy).Receive(in)
	}
}

func (e *Engine) refuse(c transport.Conn, id jsonrpc.ID, err error) {
	wire, _ := jsonrpc.AsError(err)
	if werr := c.Write(jsonrpc.AppendError(nil, id, wire)); werr != nil {
		e.log.Debug("refusal not delivered", "error", werr)
	}
}

// Refuse answers x with a malformed-message error: HTTP 400, no caching, and the
// id if it was readable.
func Refuse(x transport.Exchange, id jsonrpc.ID, err error) {
	wire, ok := jsonrpc.AsError(err)
	if !ok {
		wire = jsonrpc.NewError(jsonrpc.CodeInternal, "internal error")
	}
	ReplyError(x, 400, id, wire)
}

// ReplyError answers x with an error response that must not be cached. What is
// unavailable now may be asked for again a second later.
func ReplyError(x transport.Exchange, status int, id jsonrpc.ID, e *jsonrpc.Error) {
	msg := jsonrpc.AppendError(nil, id, e)
	if status == http.StatusServiceUnavailable {
		x.Reply(status, msg, "Cache-Control", "no-store", "Retry-After", "1")
		return
	}
	x.Reply(status, msg, "Cache-Control", "no-store")
}
