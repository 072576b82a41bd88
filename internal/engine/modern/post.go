// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Post implements [engine.Protocol].
//
// spec 2026-07-28 basic/transports: one request or notification per POST;
// session and resumption headers mean nothing here.
func (p *Protocol) Post(x transport.Exchange, in *engine.Inbound) {
	switch in.Kind() {
	case jsonrpc.Response:
		engine.ReplyError(x, 400, jsonrpc.ID{}, errResponse)
		return
	case jsonrpc.Notification: // none has an effect over HTTP
		x.Reply(202, nil)
		return
	}
	req, wire := p.validate(x.Context(), in, x.Header)
	if wire != nil {
		engine.ReplyError(x, mcp.HTTPStatus(wire.Code), in.ID, wire)
		return
	}
	req.client = engine.ClientOf(x, req.principal)
	if req.method.name == mcp.MethodListen {
		p.postListen(x, req)
		return
	}
	l := &httpLeg{req: req, x: x, done: make(chan struct{}, 1)}
	if wire := p.begin(x.Context(), req, l); wire != nil {
		refuse(x, in.ID, wire)
		return
	}
	l.wait(p)
}

var errResponse = jsonrpc.NewError(jsonrpc.CodeInvalidRequest, "responses are not accepted in this protocol version")

// refuse answers a request that did not begin.
func refuse(x transport.Exchange, id jsonrpc.ID, wire *jsonrpc.Error) {
	reply(x, statusOf(wire), jsonrpc.AppendError(nil, id, wire))
}

// statusOf returns the HTTP status of an error.
func statusOf(wire *jsonrpc.Error) int {
	switch wire {
	case errBusy, errListens, errNoTasks, errUnreached, errBehind, engine.ErrCrowded, engine.ErrShare:
		return 503
	}
	return mcp.HTTPStatus(wire.Code)
}

// ofServer reports whether an error is what the server behind a call said, or what the
// gateway says of that server. Its client is to read the words: that of the official Go
// SDK (1.8) reads no body of a 5xx answer and says "Internal Server Error" instead. The
// revision leaves the status of these errors open.
func ofServer(wire *jsonrpc.Error) bool {
	_, gateway := jsonrpc.Get(wire.Data, "gateway")
	return gateway || wire.FromPeer()
}

// reply answers with an error's message.
func reply(x transport.Exchange, status int, msg []byte) {
	if status == 503 {
		x.Reply(status, msg, "Cache-Control", "no-store", "Retry-After", "1")
		return
	}
	x.Reply(status, msg, "Cache-Control", "no-store")
}

// httpLeg is a leg over one HTTP exchange. Its headers are sent as late as
// possible: the answer is plain JSON with its own status unless a notification
// goes first, or silence has lasted so long that keep-alives are needed.
type httpLeg struct {
	req  *request
	call carried
	done chan struct{} // receives once there is the answer

	mu     sync.Mutex // held while writing too: an exchange is for one goroutine at a time
	x      transport.Exchange
	stream transport.Stream // nil until the answer became an event stream
	ended  bool
	last   message // the answer, for wait to write
}

var _ leg = (*httpLeg)(nil)

func (l *httpLeg) from() *request  { return l.req }
func (l *httpLeg) serve(c carried) { l.call = c }
func (l *httpLeg) release()        {}

// wait keeps the exchange until it is answered or its client has gone, which
// cancels the call.
//
// spec 2026-07-28 basic/transports: a disconnect is the cancellation of the request.
func (l *httpLeg) wait(p *Protocol) {
	quiet := p.timer(p.cfg.Limits.Quiet)
	defer p.putTimer(quiet)
	gone := l.x.Context().Done()
	for {
		select {
		case <-l.done:
			l.reply()
			return
		case <-gone:
			l.end()
			l.call.abandon(l, engine.ErrDisconnected)
			return
		case <-p.ctx.Done():
			l.call.abandon(l, errClosing)
			l.answer(failure(l.req.in.ID, errClosing)) // unless there is another by now
			<-l.done
			l.reply()
			return
		case <-quiet.C:
			l.upgrade()
		}
	}
}

var errClosing = jsonrpc.NewError(jsonrpc.CodeInternal, "the server is shutting down; the call was cancelled")

func (l *httpLeg) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if l.stream != nil {
		l.stream.Close()
	}
}

// upgrade turns a still silent exchange into an event stream.
func (l *httpLeg) upgrade() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended && l.stream == nil && l.x.AcceptsStream() {
		l.stream = openStream(l.x)
	}
}

func openStream(x transport.Exchange) transport.Stream {
	return x.Stream("X-Accel-Buffering", "no", "Cache-Control", "no-store")
}

func (l *httpLeg) send(msg []byte) error {
	l.mu.Lock()
	if l.ended || !l.x.AcceptsStream() {
		l.mu.Unlock()
		return nil
	}
	if l.stream == nil {
		l.stream = openStream(l.x)
	}
	err := l.stream.Send(transport.Event{Data: msg})
	l.mu.Unlock()
	if err != nil {
		l.call.abandon(l, engine.ErrDisconnected)
		return engine.ErrDisconnected
	}
	return nil
}

func (l *httpLeg) answer(m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		m.release()
		return
	}
	l.ended = true
	if l.stream == nil {
		l.last = m
	} else {
		_ = l.stream.Send(transport.Event{Data: m.whole()}) // a failure means that the client has gone: nothing is left to do
		l.stream.Close()
		m.release()
	}
	l.done <- struct{}{}
}

// reply writes the answer, if it is still to be written. It is for the goroutine
// of the exchange, after done: who answers need not wait for a client that reads
// slowly, and has no stack for it.
func (l *httpLeg) reply() {
	m := &l.last
	defer m.release()
	switch to, ok := l.x.(transport.PartsReplier); {
	case m.status == 0: // a stream, or a text, which have been written
	case m.status != 200:
		reply(l.x, m.status, m.whole())
	case m.parts != nil && ok:
		to.ReplyParts(m.parts)
	default:
		l.x.Reply(200, m.whole())
	}
}

// timer returns a running timer. Timers are pooled per Protocol, as one made
// under a fake clock must not reach another test.
func (p *Protocol) timer(d time.Duration) *time.Timer {
	if t, ok := p.timers.Get().(*time.Timer); ok {
		t.Reset(d)
		return t
	}
	return time.NewTimer(d)
}

func (p *Protocol) putTimer(t *time.Timer) {
	t.Stop()
	p.timers.Put(t)
}
