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
// its stream, and for known.
type session struct {
	id      string // "" when the server keeps none
	greeted *hello
	stream  *standing
	known   time.Time // when a ping was answered after a 404; for who has the turn
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
	f := l.newFlight(l.nextID(), &request{method: mcp.MethodInitialize, params: l.initializeParams(l.asked)})
	result, err := l.post(ctx, f, s, func(h http.Header) { s.id = h.Get(mcp.HeaderSessionID) })
	if err != nil {
		return nil, err
	}
	if s.greeted, err = parseInitialize(result); err != nil {
		return nil, err
	}
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

func (l *legacyHTTP) call(ctx context.Context, r *request) (Raw, error) {
	s := l.current()
	result, err := l.once(ctx, r, s)
	if !errors.Is(err, ErrSessionExpired) || !l.cfg.reinitialize {
		return result, err
	}
	fresh, renewErr := l.renew(ctx, s)
	if errors.Is(renewErr, errStillKnown) {
		return nil, refusal(err)
	}
	if renewErr != nil {
		return nil, fmt.Errorf("open a new session: %w (because: %w)", renewErr, err)
	}
	return l.once(ctx, r, fresh)
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
	if resp.StatusCode == http.StatusOK && seen != nil {
		seen(resp.Header)
	}
	if resp.StatusCode == http.StatusOK && mediaType(resp) == typeSSE {
		return l.follow(ctx, f, s, resp)
	}
	defer f.leave(resp)
	if resp.StatusCode != http.StatusOK {
		return nil, l.failed(http.MethodPost, resp, s)
	}
	return l.readObject(ctx, resp, f, s)
}

// failed tells the end of the session from other failures.
//
// spec 2025-11-25 basic/transports#session-management: 404 to a request with a
// session id means that the session has ended.
func (l *legacyHTTP) failed(verb string, resp *http.Response, s *session) error {
	err := l.http.statusError(verb, resp, nil)
	if resp.StatusCode == http.StatusNotFound && s.id != "" && peerCode(err) != jsonrpc.CodeMethodNotFound {
		if e, ok := errors.AsType[*HTTPError](err); ok {
			e.cause = ErrSessionExpired
		}
	}
	return err
}

// readObject reads a response that is JSON: one message, or several in a batch.
func (l *legacyHTTP) readObject(ctx context.Context, resp *http.Response, f *flight, s *session) (Raw, error) {
	if t := mediaType(resp); t != typeJSON {
		return nil, protocolErrorf("a response of content type %q", t)
	}
	body, err := l.body(ctx, resp, f, false)
	if err != nil || f.taken {
		return nil, err
	}
	messages, err := l.decode(body)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		if result, err, done := l.accept(f, &messages[i]); done {
			return result, err
		}
	}
	return nil, protocolErrorf("the answer to %s is not its response", f.req.method)
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

// renew replaces the session old by a new one with the same subscriptions and
// log level, unless another call has done so.
func (l *legacyHTTP) renew(ctx context.Context, old *session) (*session, error) {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-l.turn }()
	if s := l.current(); s != old {
		return s, nil
	}
	if l.knows(ctx, old) {
		return nil, errStillKnown
	}
	s, err := l.initialize(ctx)
	if err != nil {
		return nil, err
	}
	within := func(ctx context.Context, r *request) (Raw, error) { return l.once(ctx, r, s) }
	if err := l.subs.again(ctx, within); err != nil {
		return nil, err
	}
	if level, _ := l.level.Load().(mcp.LogLevel); level != "" && s.greeted.capabilities.Logging != nil {
		params := jsonrpc.Set(nil, "level", jsonrpc.AppendString(nil, string(level)))
		if _, err := within(ctx, &request{method: mcp.MethodSetLevel, params: params}); err != nil {
			return nil, err
		}
	}
	l.flights.renew()
	l.mu.Lock()
	l.session = s
	l.mu.Unlock()
	if old.stream.end() {
		if err := s.stream.start(l, s).wait(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// knownFor is how long a session that the server knew is not asked about again.
const knownFor = time.Second

// errStillKnown says that a session is not to be replaced.
var errStillKnown = errors.New("the server knows the session")

// knows reports whether the server knows a session although it answered 404, which a
// proxy before it, or it itself, may say to one request. The caller has the turn.
func (l *legacyHTTP) knows(ctx context.Context, s *session) bool {
	if time.Since(s.known) < knownFor {
		return true
	}
	ctx, cancel := context.WithTimeoutCause(ctx, l.cfg.probeTimeout, ErrTimeout)
	defer cancel()
	_, err := l.once(ctx, &request{method: mcp.MethodPing}, s)
	if err != nil && (!fromPeer(err) || errors.Is(err, ErrSessionExpired)) {
		return false
	}
	s.known = time.Now()
	return true
}

// refusal is the error of a request that was refused with 404 in a session that the
// server knows.
func refusal(err error) error {
	if e, ok := errors.AsType[*HTTPError](err); ok {
		e.cause = nil
	}
	return err
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
	switch resp.StatusCode {
	case http.StatusMethodNotAllowed, http.StatusNotFound: // it does not end sessions, or did
		return nil
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("end the session: %w", l.http.statusError(http.MethodDelete, resp, nil))
	}
	return nil
}
