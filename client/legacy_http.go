// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// farewell bounds what is sent for a call or a session that has ended.
const farewell = 5 * time.Second

// legacyHTTP speaks the legacy era over Streamable HTTP: a session, a POST per
// message, and a GET stream for what the server says by itself.
//
// spec 2025-11-25 basic/transports#streamable-http.
type legacyHTTP struct {
	*core
	http  *httpPeer
	asked mcp.Version // proposed at initialize; "" means the newest
	subs  *subscribed
	turn  chan struct{} // holds one token: who has it may replace the session

	mu      sync.Mutex
	session *session
}

// session is what the server told when it opened one. It is immutable but for
// its stream, and for known and refused.
type session struct {
	id      string // "" when the server keeps none
	greeted *hello
	stream  *standing
	known   time.Time // when a test was answered after a refusal; for who has the turn
	refused error     // how it was tested and found lost; set before another replaces it
}

// openLegacyHTTP makes the handshake.
func openLegacyHTTP(ctx context.Context, k *core, p *httpPeer, asked mcp.Version) (*legacyHTTP, error) {
	l := &legacyHTTP{core: k, http: p, asked: asked, subs: newSubscribed(), turn: make(chan struct{}, 1)}
	s, err := l.initialize(ctx)
	if err != nil {
		return nil, err
	}
	l.session = s
	if k.cfg.handlers.unsolicited() {
		// Before the first call: what the server asks on a stream that is not open is lost.
		if err := s.stream.start(l, s).wait(ctx); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *legacyHTTP) current() *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session
}

func (l *legacyHTTP) hello() *hello           { return l.current().greeted }
func (l *legacyHTTP) features() *mcp.Features { return l.hello().version.Features() }

// initialize opens a session and confirms it.
func (l *legacyHTTP) initialize(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.cfg.probeTimeout,
		fmt.Errorf("%s not answered after %v: %w", mcp.MethodInitialize, l.cfg.probeTimeout, ErrTimeout))
	defer cancel()
	s := &session{stream: &standing{}}
	greeted, err := l.greet(l.asked, func(params Raw) (Raw, error) {
		f := l.newFlight(l.nextID(), &request{method: mcp.MethodInitialize, params: params})
		return l.post(ctx, f, s, func(h http.Header) { s.id = h.Get(mcp.HeaderSessionID) })
	})
	if err != nil {
		return nil, err
	}
	s.greeted = greeted
	if err := l.send(ctx, s, jsonrpc.AppendNotification(nil, mcp.NotificationInitialized, nil)); err != nil {
		return nil, fmt.Errorf("confirm the session: %w", err)
	}
	return s, nil
}

// headers are those of every request within s.
//
// spec 2025-06-18 basic/transports#protocol-version-header.
func (s *session) headers() http.Header {
	h := http.Header{}
	if s.id != "" {
		h[mcp.HeaderSessionID] = []string{s.id}
	}
	if s.greeted != nil {
		h[mcp.HeaderProtocolVersion] = []string{string(s.greeted.version)}
	}
	return h
}

// once sends r within s. When ctx ends first, the server is told.
func (l *legacyHTTP) once(ctx context.Context, r *request, s *session) (Raw, error) {
	f := l.newFlight(l.nextID(), r)
	if err := l.flights.add(f); err != nil {
		return nil, err
	}
	defer l.landed(f)
	result, err := l.fly(ctx, f, func(ctx context.Context) (Raw, error) { return l.post(ctx, f, s, nil) })
	if err != nil && !answered(err) {
		l.abandon(f)
	}
	if err != nil && ctx.Err() != nil {
		params := cancelledParams(f.id, context.Cause(ctx))
		l.group.start(func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, farewell)
			defer cancel()
			l.trySend(ctx, s, jsonrpc.AppendNotification(nil, mcp.NotificationCancelled, params))
		})
	}
	return result, err
}

// post makes the request and follows its response to the end. seen gets the
// response's headers if it was a success.
func (l *legacyHTTP) post(ctx context.Context, f *flight, s *session, seen func(http.Header)) (Raw, error) {
	resp, err := l.http.do(ctx, exchange{
		verb: http.MethodPost, accept: typeJSON + ", " + typeSSE, wait: l.cfg.headerTimeout,
		body:    jsonrpc.AppendRequest(nil, f.id, f.req.method, f.wireParams()),
		headers: []http.Header{f.req.opts.Header, s.headers()}, loose: f.req.opts.Large != nil,
	})
	if err != nil {
		return nil, err
	}
	if succeeded(resp) && seen != nil {
		seen(resp.Header)
	}
	if succeeded(resp) && carries(resp, typeSSE) {
		return l.follow(ctx, f, s, resp)
	}
	defer f.leave(resp)
	switch {
	case !succeeded(resp):
		return nil, l.failed(http.MethodPost, resp, s)
	case empty(resp) && s.greeted != nil:
		return l.fromStream(ctx, f, s, l.http.statusError(http.MethodPost, resp))
	case empty(resp):
		return nil, l.http.statusError(http.MethodPost, resp)
	}
	return l.readObject(ctx, resp, f)
}

// failed tells the end of the session from other failures.
//
// spec 2025-11-25 basic/transports#session-management: 404 to a request with a
// session id means that the session has ended.
func (l *legacyHTTP) failed(verb string, resp *http.Response, s *session) error {
	err := l.http.statusError(verb, resp)
	if resp.StatusCode == http.StatusNotFound && s.id != "" && peerCode(err) != jsonrpc.CodeMethodNotFound {
		if e, ok := errors.AsType[*HTTPError](err); ok {
			e.cause = ErrSessionExpired
		}
	}
	return err
}

// readObject reads a response that is JSON: one message, or several in a batch.
func (l *legacyHTTP) readObject(ctx context.Context, resp *http.Response, f *flight) (Raw, error) {
	if !isObject(resp) {
		return nil, protocolErrorf("a response of content type %q", mediaType(resp))
	}
	body, err := l.body(ctx, resp, f, false)
	if err != nil || f.taken {
		return nil, err
	}
	return l.answerIn(body, f)
}

// send posts a notification or a response.
func (l *legacyHTTP) send(ctx context.Context, s *session, message []byte) error {
	resp, err := l.http.do(ctx, exchange{
		verb: http.MethodPost, accept: typeJSON + ", " + typeSSE, headers: []http.Header{s.headers()},
		body: message, wait: l.cfg.probeTimeout,
	})
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return l.failed(http.MethodPost, resp, s)
	}
	l.http.release(resp)
	return nil
}

// trySend is send where nobody can be told of a failure.
func (l *legacyHTTP) trySend(ctx context.Context, s *session, message []byte) {
	if err := l.send(ctx, s, message); err != nil {
		l.log.Debug("message not delivered", "error", err)
	}
}

// question answers a request of the server; f is the call on whose stream it came.
func (l *legacyHTTP) question(ctx context.Context, f *flight, s *session, m jsonrpc.Message) {
	l.answer(ctx, f, m, func(ctx context.Context, response []byte) { l.trySend(ctx, s, response) })
}

func (l *legacyHTTP) notify(ctx context.Context, method string, params Raw) error {
	return l.send(ctx, l.current(), jsonrpc.AppendNotification(nil, method, params))
}

// listen opens the GET stream and subscribes to resources.
func (l *legacyHTTP) listen(ctx context.Context, f Filter) error {
	if f.wanted() {
		s := l.current()
		if err := s.stream.start(l, s).wait(ctx); err != nil {
			return err
		}
	}
	return l.subs.set(ctx, f.URIs, l.call)
}

// shutdown ends the session on the server.
func (l *legacyHTTP) shutdown(ctx context.Context) error {
	defer l.http.close()
	s := l.current()
	if s.id == "" {
		return nil
	}
	resp, err := l.http.do(ctx, exchange{verb: http.MethodDelete, headers: []http.Header{s.headers()}, wait: farewell, last: true})
	if err != nil {
		return fmt.Errorf("end the session: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 && resp.StatusCode < 500 { // it does not end sessions, or did
		return nil
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("end the session: %w", l.http.statusError(http.MethodDelete, resp))
	}
	return nil
}
