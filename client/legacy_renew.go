// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// A server that has lost a session says so with 404, by the specification. In the
// field it is 400, 401, 403, 410, 500, 503 or an error in a 200 just as well; and a
// proxy, or the server, may say any of these to one request for what is in it. So a
// refusal is a suspicion, which a request of the client's own settles.

// call sends r, and once more in a new session when the server has lost the old one.
func (l *legacyHTTP) call(ctx context.Context, r *request) (Raw, error) {
	s := l.current()
	result, err := l.once(ctx, r, s)
	if err == nil || !l.cfg.reinitialize || !s.doubtful(err) {
		return result, err
	}
	fresh, renewErr := l.renew(ctx, s, err)
	switch {
	case errors.Is(renewErr, errStillKnown), renewErr == nil && !unexecuted(r, err, s.refused):
		return nil, refusal(err)
	case renewErr != nil && httpStatus(renewErr) != 0 && httpStatus(renewErr) == httpStatus(err):
		return nil, refusal(err) // it refuses everything, and not for the session
	case renewErr != nil:
		// The refusal is not in the chain: this is why the call failed.
		return nil, fmt.Errorf("open a new session: %w (because: %v)", renewErr, err)
	}
	return l.once(ctx, r, fresh)
}

// doubtful reports whether a request may have failed because the server has lost
// the session: by any refusal but 429, or an error that speaks of the session. A
// server without sessions has none to lose, unless it asks to be initialized.
func (s *session) doubtful(err error) bool {
	status := httpStatus(err)
	switch {
	case peerCode(err) == jsonrpc.CodeMethodNotFound, status == http.StatusTooManyRequests:
		return false
	case namesSession(err):
		return true
	}
	return s.id != "" && status >= 400
}

// namesSession reports whether what the server answered speaks of sessions or of
// their handshake.
func namesSession(err error) bool {
	if e, ok := jsonrpc.AsError(err); ok && e.FromPeer() {
		return speaksOfSession([]byte(e.Message))
	}
	e, ok := errors.AsType[*HTTPError](err)
	return ok && speaksOfSession(e.Body)
}

func speaksOfSession(text []byte) bool {
	text = bytes.ToLower(text)
	return bytes.Contains(text, []byte("session")) || bytes.Contains(text, []byte("initializ")) || bytes.Contains(text, []byte("initialis"))
}

// unexecuted reports whether a request that was refused in a lost session may be
// sent again. A gateway says with 5xx that the server broke off as well, perhaps in
// the middle of a call: that is sent again only if it was the session that was
// refused, by name, or with the status by which the test was refused too. 502 and
// 504 are never the server's own.
func unexecuted(r *request, err, test error) bool {
	switch status := httpStatus(err); {
	case status < 500, r.method != mcp.MethodCallTool, namesSession(err):
		return true
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		return false
	default:
		return httpStatus(test) == status
	}
}

// renew replaces the session old by a new one with the same subscriptions and
// log level, unless another call has done so. cause is the refusal.
func (l *legacyHTTP) renew(ctx context.Context, old *session, cause error) (*session, error) {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-l.turn }()
	if s := l.current(); s != old {
		return s, nil
	}
	if l.knows(ctx, old, namesSession(cause)) {
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
	l.cfg.handlers.filter().gap(l.inbox) // the server may have come back as another release
	return s, nil
}

// replace opens a new session in place of s, whose stream broke off and was refused
// when it was to be opened again. It reports whether there is one.
func (l *legacyHTTP) replace(s *session, refusal error) bool {
	if !l.cfg.reinitialize || !s.doubtful(refusal) {
		return false
	}
	_, err := l.renew(l.group.ctx, s, refusal)
	return err == nil
}

const (
	// knownFor is how long a session that the server knew is not asked about again.
	knownFor = time.Second
	// knownWait bounds the question whether the server knows a session.
	knownWait = 10 * time.Second
)

// errStillKnown says that a session is not to be replaced.
var errStillKnown = errors.New("the server knows the session")

// knows reports whether the server knows a session although it refused a request in
// it. ping need not have a session, so when the refusal named it, what the server
// offers is asked for as well. The caller has the turn.
func (l *legacyHTTP) knows(ctx context.Context, s *session, named bool) bool {
	if time.Since(s.known) < knownFor {
		return true
	}
	ctx, cancel := context.WithTimeoutCause(ctx, min(l.cfg.probeTimeout, knownWait), ErrTimeout)
	defer cancel()
	methods := []string{mcp.MethodPing}
	if list := s.list(); named && list != "" {
		methods = append(methods, list)
	}
	for _, method := range methods {
		_, err := l.once(ctx, &request{method: method}, s)
		if err != nil && httpStatus(err) != http.StatusTooManyRequests && (!fromPeer(err) || s.doubtful(err)) {
			s.refused = err
			return false
		}
	}
	s.known = time.Now()
	return true
}

// list returns a method by which the server lists what it offers, "" for none.
func (s *session) list() string {
	switch c := &s.greeted.capabilities; {
	case c.Tools != nil:
		return mcp.MethodListTools
	case c.Resources != nil:
		return mcp.MethodListResources
	case c.Prompts != nil:
		return mcp.MethodListPrompts
	}
	return ""
}

// refusal is the error of a request that was refused in a session that the server
// knows, or for another reason.
func refusal(err error) error {
	if e, ok := errors.AsType[*HTTPError](err); ok && errors.Is(e.cause, ErrSessionExpired) {
		e.cause = nil
	}
	return err
}
