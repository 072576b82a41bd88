// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// modernHTTP speaks the modern era over Streamable HTTP: one POST per request,
// whose response stream is all the request has. Ending the request ends the
// stream, and that is its cancellation.
//
// spec 2026-07-28 basic/transports#streamable-http.
type modernHTTP struct {
	*core
	http    *httpPeer
	version mcp.Version
	greeted atomic.Pointer[hello]
	tools   toolHeaders
	heard   *listener
}

func newModernHTTP(k *core, p *httpPeer, v mcp.Version) *modernHTTP {
	m := &modernHTTP{core: k, http: p, version: v}
	m.greeted.Store(&hello{version: v})
	m.heard = newListener(k, m.call)
	return m
}

func (m *modernHTTP) features() *mcp.Features { return m.version.Features() }
func (m *modernHTTP) hello() *hello           { return m.greeted.Load() }

// call sends r. When the server finds the mirrored headers wrong, the tool's
// schema is fetched anew and the call is made once more: it was not executed.
//
// spec 2026-07-28 basic/transports: after HeaderMismatch a client SHOULD refresh and retry.
func (m *modernHTTP) call(ctx context.Context, r *request) (Raw, error) {
	result, err := m.once(ctx, r, m.http.core.cfg.headerTimeout)
	if peerCode(err) == mcp.CodeHeaderMismatch && r.method == mcp.MethodCallTool && r.opts.InputSchema == nil {
		if refreshErr := m.refreshTools(ctx); refreshErr != nil {
			return nil, err
		}
		return m.once(ctx, r, m.http.core.cfg.headerTimeout)
	}
	return result, err
}

func (m *modernHTTP) once(ctx context.Context, r *request, headerWait time.Duration) (Raw, error) {
	f := m.newFlight(m.nextID(), r)
	if err := m.flights.add(f); err != nil {
		return nil, err
	}
	defer m.landed(f)
	return m.flyAlone(ctx, f, func(ctx context.Context) (Raw, error) {
		result, err := m.post(ctx, f, headerWait)
		if err == nil && r.method == mcp.MethodListTools {
			m.tools.learn(result, f.entries)
		}
		return result, err
	})
}

// post makes the request and reads its response.
func (m *modernHTTP) post(ctx context.Context, f *flight, headerWait time.Duration) (Raw, error) {
	params := m.modernParams(f, m.version)
	headers, err := m.mirror(f.req, params)
	if err != nil {
		return nil, err
	}
	resp, err := m.http.do(ctx, exchange{
		verb: http.MethodPost, accept: typeJSON + ", " + typeSSE, wait: headerWait,
		body:    jsonrpc.AppendRequest(nil, f.id, f.req.method, params),
		headers: []http.Header{f.req.opts.Header, headers}, loose: f.req.opts.Large != nil,
	})
	if err != nil {
		return nil, err
	}
	if succeeded(resp) && carries(resp, typeSSE) {
		return m.readStream(ctx, resp, f)
	}
	defer f.leave(resp)
	if !succeeded(resp) || empty(resp) {
		return nil, m.http.statusError(http.MethodPost, resp)
	}
	return m.readObject(ctx, resp, f)
}

// readObject reads a response that is JSON: one message, be it the only element of
// an array.
func (m *modernHTTP) readObject(ctx context.Context, resp *http.Response, f *flight) (Raw, error) {
	if !isObject(resp) {
		return nil, protocolErrorf("a response of content type %q", mediaType(resp))
	}
	body, err := m.body(ctx, resp, f, true)
	if err != nil || f.taken {
		return nil, err
	}
	return m.answerIn(body, f)
}

// readStream reads an event stream up to the response.
func (m *modernHTTP) readStream(ctx context.Context, resp *http.Response, f *flight) (Raw, error) {
	var result Raw
	var answer error
	err := m.http.eachEvent(resp.Body, nil, m.taker(resp, f, m.http, true), m.grower(ctx, f), func(data []byte) (bool, error) {
		messages, err := m.decode(data)
		if errors.Is(err, jsonrpc.ErrNoMessage) {
			m.stray(data)
			return false, nil
		}
		if err != nil {
			return false, err
		}
		done := false
		for i := range messages {
			if messages[i].Kind() == jsonrpc.Request {
				// spec 2026-07-28 basic/transports: a stream MUST NOT carry requests.
				return false, protocolErrorf("a request (%q) on a response stream", messages[i].Method)
			}
			if r, a, d := m.accept(f, &messages[i]); d {
				result, answer, done = r, a, true
			}
		}
		return done, nil
	})
	if err != nil {
		resp.Body.Close()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = ErrStreamBroken
		}
		return nil, err
	}
	if !f.taken {
		m.http.release(resp)
	}
	return result, answer
}

// notify posts a notification.
func (m *modernHTTP) notify(ctx context.Context, method string, params Raw) error {
	r := &request{method: method, params: params}
	headers, err := m.mirror(r, params)
	if err != nil {
		return err
	}
	resp, err := m.http.do(ctx, exchange{
		verb: http.MethodPost, accept: typeJSON + ", " + typeSSE, headers: []http.Header{headers},
		body: jsonrpc.AppendNotification(nil, method, params), wait: m.cfg.probeTimeout,
	})
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return m.http.statusError(http.MethodPost, resp)
	}
	m.http.release(resp)
	return nil
}

func (m *modernHTTP) listen(ctx context.Context, f Filter) error { return m.heard.set(ctx, f) }

func (m *modernHTTP) shutdown(context.Context) error {
	m.http.close()
	return nil
}
