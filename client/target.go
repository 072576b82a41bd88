// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Target is a server to connect to: see [HTTP], [SSE], [Command], [Conn],
// [Stream] and [Server].
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

// ConnServer serves message streams, such as a server of package server.
type ConnServer interface {
	ServeConn(ctx context.Context, c transport.Conn) error
}

// Server is a server in this process, reached in memory: for tests, and for
// programs that call their own tools. Closing the client ends the serving and waits
// for it, five seconds at most for handlers that do not end with their context.
func Server(s ConnServer) Target {
	return Stream(func(ctx context.Context) (transport.Conn, error) {
		ours, theirs := transport.Pipe()
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		c := &inMemory{Conn: ours, cancel: cancel, done: make(chan struct{})}
		go func() { // ends with Close
			defer close(c.done)
			_ = s.ServeConn(ctx, theirs) // what went wrong shows at the other end
			_ = theirs.Close()
		}()
		return c, nil
	})
}

// inMemory is the client's end of a pipe to a server that it has served.
type inMemory struct {
	transport.Conn
	cancel context.CancelFunc
	done   chan struct{}
}

// Close ends the serving too.
func (c *inMemory) Close() error {
	err := c.Conn.Close()
	c.cancel()
	select {
	case <-c.done:
	case <-time.After(closeTimeout):
	}
	return err
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
