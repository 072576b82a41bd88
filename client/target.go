// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Target is a server to connect to: see [HTTP], [SSE], [Command], [Conn] and
// [Stream].
type Target interface {
	// connect finds out what the server speaks and opens a link to it.
	connect(ctx context.Context, k *core) (link, error)
}

type httpTarget struct {
	url     string
	headers http.Header
	sseOnly bool
}

// HTTP is a server at a URL that speaks Streamable HTTP of either era, or the
// HTTP+SSE of the first revision. The headers, given as name, value pairs, go
// with every request; an odd number of them panics.
func HTTP(url string, headers ...string) Target {
	return &httpTarget{url: url, headers: headerPairs(headers)}
}

// SSE is a server at a URL that speaks HTTP+SSE, the transport of the first
// revision, and nothing else.
func SSE(url string, headers ...string) Target {
	return &httpTarget{url: url, headers: headerPairs(headers), sseOnly: true}
}

func headerPairs(pairs []string) http.Header {
	if len(pairs)%2 != 0 {
		panic("client: headers must be name, value pairs")
	}
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func (t *httpTarget) connect(ctx context.Context, k *core) (link, error) {
	p, err := newHTTPPeer(k, t.url, t.headers)
	if err != nil {
		return nil, err
	}
	probe := httpProbe{core: k, http: p}
	if t.sseOnly {
		return probe.sse(ctx)
	}
	l, err := probe.run(ctx)
	if err != nil {
		p.close()
		return nil, err
	}
	return l, nil
}

type streamTarget struct {
	open func(ctx context.Context) (transport.Conn, error)
	once bool // it cannot be opened again
}

// Conn is a server at the other end of a message stream: a pipe, a process
// started elsewhere, a WebSocket. The client closes it. It serves one Connect.
func Conn(conn transport.Conn) Target {
	var used atomic.Bool
	return &streamTarget{once: true, open: func(context.Context) (transport.Conn, error) {
		if used.Swap(true) {
			return nil, errors.New("the connection belongs to another client")
		}
		return conn, nil
	}}
}

// Stream is a server whose message stream can be opened anew, as is needed when
// an old server dies of being asked which era it speaks. The context given to
// open ends with the client.
func Stream(open func(ctx context.Context) (transport.Conn, error)) Target {
	return &streamTarget{open: open}
}

func (t *streamTarget) connect(ctx context.Context, k *core) (link, error) {
	m, err := t.mux(k)
	if err != nil {
		return nil, err
	}
	l, err := streamProbe{k, t}.run(ctx, m)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (t *streamTarget) mux(k *core) (*mux, error) {
	conn, err := t.open(k.group.ctx)
	if err != nil {
		return nil, fmt.Errorf("open the connection: %w", err)
	}
	return newMux(k, conn)
}

// versionToTry is the modern version the first request of a probe speaks.
func (k *core) versionToTry() mcp.Version {
	if k.cfg.version.Era() == mcp.Modern {
		return k.cfg.version
	}
	return mcp.Latest
}
