// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/pause"
	"github.com/holdfast-mcp/holdfast/internal/sse"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

const (
	maxResumes  = 6           // failed attempts in a row to resume a response stream
	streamGrace = time.Second // how long listening waits for the GET stream to be open: what a server says before is lost
)

// cursor is how far a stream has been read.
type cursor struct {
	lastID string
	retry  time.Duration // what the server asked for; 0 for nothing
	moved  bool          // something came since the last (re)connection
}

func (c *cursor) saw(e sse.Event) {
	c.moved = true
	if e.HasID {
		c.lastID = e.ID
	}
	if e.Retry > 0 {
		c.retry = e.Retry
	}
}

// delay is the wait before the next connection.
//
// spec 2025-11-25 basic/transports#streamable-http: clients MUST respect retry.
func (c *cursor) delay(failures int) time.Duration {
	if failures > 0 {
		return max(c.retry, backoff(failures-1))
	}
	if c.retry > 0 {
		return c.retry + rand.N(min(c.retry/10, 250*time.Millisecond)+1)
	}
	return backoff(0)
}

// follow reads a POST's response stream to the response. A stream that breaks
// off before is resumed, if it carried event ids.
func (l *legacyHTTP) follow(ctx context.Context, f *flight, s *session, resp *http.Response) (Raw, error) {
	var at cursor
	for {
		result, answer, err := l.readStream(ctx, resp, f, s, &at)
		if err == nil {
			if !f.taken {
				l.http.release(resp)
			}
			return result, answer
		}
		resp.Body.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if f.noRoom != nil {
			return nil, f.noRoom
		}
		if isProtocolError(err) {
			return nil, err
		}
		if at.lastID == "" || !s.resumable() {
			return nil, fmt.Errorf("%w: %w", ErrStreamBroken, err)
		}
		if at.retry > 0 && errors.Is(err, io.EOF) && f.req.opts.OnDetach != nil {
			f.req.opts.OnDetach(at.retry)
		}
		if resp, err = l.resume(ctx, s, &at); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			// Not in the chain: a session that ends now did receive the request.
			return nil, fmt.Errorf("%w, and resuming it failed: %v", ErrStreamBroken, err)
		}
	}
}

// resumable: initialize, which has no version yet, is not resumed.
func (s *session) resumable() bool {
	return s.greeted != nil && s.greeted.version.Features().Resumable
}

// readStream reads up to f's response; an error means the stream ended before.
func (l *legacyHTTP) readStream(ctx context.Context, resp *http.Response, f *flight, s *session, at *cursor) (result Raw, answer, err error) {
	err = l.http.eachEvent(resp.Body, at.saw, l.taker(resp, f, l.http, false), l.grower(ctx, f), func(data []byte) (bool, error) {
		messages, err := l.decode(data)
		if errors.Is(err, jsonrpc.ErrNoMessage) {
			l.stray(data)
			return false, nil
		}
		if err != nil {
			return false, err
		}
		done := false
		for i := range messages {
			if messages[i].Kind() == jsonrpc.Request {
				l.question(ctx, f, s, messages[i])
				continue
			}
			if r, a, d := l.accept(f, &messages[i]); d {
				result, answer, done = r, a, true
			}
		}
		return done, nil
	})
	return result, answer, err
}

// resume opens the stream again where it broke off, waiting as the server asked.
func (l *legacyHTTP) resume(ctx context.Context, s *session, at *cursor) (*http.Response, error) {
	for failures := 0; ; {
		if err := pause.For(ctx, at.delay(failures)); err != nil {
			return nil, err
		}
		resp, err := l.get(ctx, s, at)
		if err == nil {
			return resp, nil
		}
		status := httpStatus(err)
		if failures++; failures >= maxResumes || status >= 300 && status < 500 && status != http.StatusTooManyRequests {
			return nil, err
		}
		l.log.Debug("resuming a stream failed", "failures", failures, "error", err)
	}
}

// get opens an event stream by GET.
func (l *legacyHTTP) get(ctx context.Context, s *session, at *cursor) (*http.Response, error) {
	h := s.headers()
	if at.lastID != "" {
		h[mcp.HeaderLastEventID] = []string{at.lastID}
	}
	resp, err := l.http.do(ctx, exchange{
		verb: http.MethodGet, accept: typeSSE, headers: []http.Header{h}, wait: l.cfg.probeTimeout,
	})
	if err != nil {
		return nil, err
	}
	if succeeded(resp) && carries(resp, typeSSE) {
		at.moved = false
		return resp, nil
	}
	defer resp.Body.Close()
	if !succeeded(resp) {
		return nil, l.failed(http.MethodGet, resp, s)
	}
	return nil, protocolErrorf("a GET stream of content type %q", mediaType(resp))
}

// standing is the GET stream of a session, on a goroutine of the group that is
// started at most once and ends with the session or the group.
type standing struct {
	mu     sync.Mutex
	cancel context.CancelFunc
	opened chan struct{} // closed when the first attempt is over
	ended  chan struct{} // closed when there is no stream, and will be none
}

// start opens the stream unless it is open.
func (st *standing) start(l *legacyHTTP, s *session) *standing {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.opened != nil {
		return st
	}
	ctx, cancel := context.WithCancel(l.group.ctx)
	st.cancel, st.opened, st.ended = cancel, make(chan struct{}), make(chan struct{})
	opened := sync.OnceFunc(func() { close(st.opened) })
	if !l.group.start(func(context.Context) { defer close(st.ended); l.keep(ctx, s, opened) }) {
		cancel()
		opened()
		close(st.ended)
	}
	return st
}

// wait returns when the stream is open or known not to be offered, or after a
// grace: some servers send headers only with the first event.
func (st *standing) wait(ctx context.Context) error {
	timer := time.NewTimer(streamGrace)
	defer timer.Stop()
	select {
	case <-st.opened:
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// end closes the stream; it reports whether there was one.
func (st *standing) end() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.cancel == nil {
		return false
	}
	st.cancel()
	return true
}

// keep reads the GET stream until ctx or the session ends, or the server turns
// out to have none.
func (l *legacyHTTP) keep(ctx context.Context, s *session, opened func()) {
	defer opened()
	var at cursor
	heard := false
	for failures := 0; ; {
		began := time.Now()
		resp, err := l.get(ctx, s, &at)
		opened()
		offered := err == nil
		if offered {
			heard = true
			err = l.hear(ctx, resp, s, &at)
			resp.Body.Close()
		}
		status := httpStatus(err)
		switch {
		case ctx.Err() != nil:
			return
		case status == http.StatusMethodNotAllowed, !offered && isProtocolError(err):
			l.log.Debug("the server offers no stream", "error", err)
			return
		case status >= 300 && status < 500 && status != http.StatusTooManyRequests:
			if !heard || !l.replace(s, err) {
				l.log.Warn("listening has ended", "error", err)
			}
			return
		}
		if failures++; at.moved || time.Since(began) > maxBackoff {
			failures = 0
		}
		l.log.Debug("listening again", "failures", failures, "error", err)
		if pause.For(ctx, at.delay(failures)) != nil {
			return
		}
	}
}

// hear reads an open GET stream until it ends.
func (l *legacyHTTP) hear(ctx context.Context, resp *http.Response, s *session, at *cursor) error {
	return l.http.eachEvent(resp.Body, at.saw, nil, nil, func(data []byte) (bool, error) {
		messages, err := l.decode(data)
		switch {
		case errors.Is(err, jsonrpc.ErrNoMessage):
			l.stray(data)
		case err != nil:
			l.faulty("message on the GET stream dropped", data, "error", err)
		}
		for i := range messages {
			switch m := &messages[i]; m.Kind() {
			case jsonrpc.Request:
				l.question(ctx, nil, s, *m)
			case jsonrpc.Notification:
				l.notification(nil, m)
			default:
				l.answered(m)
			}
		}
		return false, nil
	})
}

// answered takes in a response that came on the GET stream, as that to a request
// that was answered with 202.
func (l *legacyHTTP) answered(m *jsonrpc.Message) {
	f := l.flights.take(m)
	if f == nil {
		l.log.Debug("response on the GET stream dropped", "id", m.ID.String())
		return
	}
	o := outcome{result: m.Result}
	if m.Error != nil {
		o = outcome{err: m.Error}
	}
	f.elsewhere() <- o // it has left the table: there is no second one
}

// fromStream waits for the response to a request that the server has taken with an
// empty answer: it comes on the GET stream, where the official clients hear it too.
func (l *legacyHTTP) fromStream(ctx context.Context, f *flight, s *session, empty error) (Raw, error) {
	select {
	case o := <-f.elsewhere():
		return o.result, o.err
	case <-s.stream.start(l, s).ended:
		return nil, empty
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
