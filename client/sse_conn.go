// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/sse"
	"github.com/holdfast-mcp/holdfast/transport"
)

// sseConn is the HTTP+SSE transport of the first revision as a message stream:
// one event stream from the server, one POST per message to it.
//
// spec 2024-11-05 basic/transports#http-with-sse.
type sseConn struct {
	http   *httpPeer
	post   *url.URL // where messages go
	resp   *http.Response
	events *sse.Reader

	once sync.Once
	done chan struct{}
}

// openSSE opens the stream and waits for the endpoint to post to. life ends the
// stream, ctx only the opening.
func openSSE(ctx, life context.Context, p *httpPeer) (*sseConn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.core.cfg.probeTimeout,
		fmt.Errorf("no endpoint event after %v: %w", p.core.cfg.probeTimeout, ErrTimeout))
	defer cancel()
	stream, end := context.WithCancelCause(life)
	stop := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	resp, err := p.do(stream, exchange{verb: http.MethodGet, accept: typeSSE, wait: p.core.cfg.probeTimeout})
	if err != nil {
		end(err)
		return nil, err
	}
	c := &sseConn{http: p, resp: resp, done: make(chan struct{})}
	err = c.readEndpoint()
	if err == nil && !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		resp.Body.Close()
		end(err)
		return nil, err
	}
	context.AfterFunc(stream, func() { c.Close() })
	return c, nil
}

// readEndpoint takes the event that names the endpoint. Servers send others before
// it; the time of the opening bounds how many.
func (c *sseConn) readEndpoint() error {
	if !succeeded(c.resp) {
		return c.http.statusError(http.MethodGet, c.resp)
	}
	if !carries(c.resp, typeSSE) {
		return protocolErrorf("a GET stream of content type %q", mediaType(c.resp))
	}
	c.events = sse.NewReader(c.resp.Body, c.http.core.cfg.maxMessage)
	var first sse.Event
	for first.Name != "endpoint" {
		var err error
		if first, err = c.events.Read(); err != nil {
			return fmt.Errorf("read the endpoint event: %w", err)
		}
	}
	target, err := c.http.url.Parse(string(first.Data))
	if err != nil {
		return protocolErrorf("the endpoint event holds no URL")
	}
	// Ours, not the spec's: credentials go to no other origin.
	if !sameOrigin(c.http.url, target) {
		return protocolErrorf("the endpoint %s is of another origin", display(target))
	}
	target.Fragment, target.User = "", nil
	c.post = target
	return nil
}

func (c *sseConn) Read() ([]byte, error) {
	for {
		e, err := c.events.Read()
		switch {
		case errors.Is(err, sse.ErrTooLarge):
			return nil, protocolErrorf("an event is over the size limit") // the stream is lost
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, io.EOF
		case err != nil:
			return nil, err
		case len(e.Data) > 0 && (e.Name == "" || e.Name == "message"):
			return e.Data, nil
		}
	}
}

// Write posts a message within the transport's own time limit.
func (c *sseConn) Write(message []byte) error { return c.Post(context.Background(), message) }

// Post posts a message; it returns when the server has taken it.
func (c *sseConn) Post(ctx context.Context, message []byte) error {
	select {
	case <-c.done:
		return transport.ErrClosed
	default:
	}
	resp, err := c.http.do(ctx, exchange{
		verb: http.MethodPost, url: c.post, body: message, accept: typeJSON + ", " + typeSSE,
		wait: c.http.core.cfg.headerTimeout,
	})
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return c.http.statusError(http.MethodPost, resp)
	}
	c.http.release(resp)
	return nil
}

func (c *sseConn) Close() error {
	c.once.Do(func() {
		close(c.done)
		c.resp.Body.Close()
		c.http.close()
	})
	return nil
}
