// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/mcp"
)

// Client is a connection to one server. It is safe for concurrent use. Handlers
// may use it, except for Close.
type Client struct {
	core *core
	link link

	wishes wishes

	once     sync.Once
	closeErr error
}

// Connect finds out what the server at target speaks, makes its handshake and
// begins to listen if handlers need it. ctx bounds only that; the Client lives
// until Close.
func Connect(ctx context.Context, target Target, opts ...Option) (*Client, error) {
	k, err := newCore(ctx, newConfig(opts))
	if err != nil {
		return nil, err
	}
	bound, done := k.group.bind(ctx)
	defer done(nil)
	l, err := target.connect(bound, k)
	if err != nil {
		k.group.end(ErrClosed)
		k.group.wait()
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := &Client{core: k, link: l}
	if f := k.cfg.handlers.filter().offered(l.hello().capabilities); f.wanted() {
		if err := c.Listen(bound, f); err != nil {
			k.log.Warn("the server's changes are not heard of", "error", err)
		}
	}
	return c, nil
}

// offered is what of f the server announces.
func (f Filter) offered(c mcp.ServerCapabilities) Filter {
	f.Tools = f.Tools && c.Tools != nil && c.Tools.ListChanged
	f.Prompts = f.Prompts && c.Prompts != nil && c.Prompts.ListChanged
	f.Resources = f.Resources && c.Resources != nil && c.Resources.ListChanged
	return f
}

// Version returns the protocol version in use.
func (c *Client) Version() mcp.Version { return c.link.features().Version }

// Features returns what the version in use has.
func (c *Client) Features() *mcp.Features { return c.link.features() }

// ServerInfo returns what the server calls itself. It is not to be trusted.
func (c *Client) ServerInfo() mcp.Implementation { return c.link.hello().info }

// ServerCapabilities returns what the server offers.
func (c *Client) ServerCapabilities() mcp.ServerCapabilities { return c.link.hello().capabilities }

// Instructions returns how the server wants to be used, for a model to read.
func (c *Client) Instructions() string { return c.link.hello().instructions }

// Hello returns the result of server/discover or initialize as received, nil
// when the server gave none.
func (c *Client) Hello() Raw { return c.link.hello().raw }

// Done is closed when the client has ended for good: by Close, or because its
// message stream broke. A server reached by HTTP requests cannot end it.
func (c *Client) Done() <-chan struct{} {
	if l, ok := c.link.(interface{ gone() <-chan struct{} }); ok {
		return l.gone()
	}
	return c.core.group.ctx.Done()
}

// Call sends a request and returns its result as the bytes that came. params
// must be a valid JSON object, or nil; they are sent as given, but for what the
// era puts into _meta and for the progress token, which is replaced on the wire.
//
// Errors the server sent are *jsonrpc.Error in the chain, with FromPeer. Others
// are [*HTTPError], [*ProtocolError], the sentinels of this package, or the
// cause of ctx's end; when ctx ends, the request is cancelled on the server.
func (c *Client) Call(ctx context.Context, method string, params Raw, o CallOptions) (Raw, error) {
	r := &request{method: method, params: params, opts: o, listen: method == mcp.MethodListen}
	if o.Entries != nil {
		c.core.listed.want(c.core.limits)
	}
	if c.link.features().ResultTypes && mcp.MayAskInput(method) && !o.ReturnInput {
		ctx, done := c.core.group.bind(ctx)
		defer done(nil)
		return c.rounds(ctx, r)
	}
	return c.call(ctx, r) // Close ends it by its exchange or flight
}

// call is one round trip within the client's own time limit.
func (c *Client) call(ctx context.Context, r *request) (Raw, error) {
	if _, limited := ctx.Deadline(); limited || r.listen {
		return c.link.call(ctx, r)
	}
	d := c.core.cfg.callTimeout
	if !c.link.features().ResultTypes && mcp.MayAskInput(r.method) {
		d += c.core.cfg.inputTimeout // a legacy server asks within the call
	}
	if total := c.core.cfg.renewTotal; total > 0 {
		return c.renewedCall(ctx, r, d, total)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d, fmt.Errorf("%s: no result after %v: %w", r.method, d, ErrTimeout))
	defer cancel()
	return c.link.call(ctx, r)
}

// renewedCall is a round trip whose time d begins anew with each progress.
func (c *Client) renewedCall(ctx context.Context, r *request, d, total time.Duration) (Raw, error) {
	ctx, stop := context.WithTimeoutCause(ctx, total, fmt.Errorf("%s: no result after %v, progress or not: %w", r.method, total, ErrTimeout))
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(d, func() {
		cancel(fmt.Errorf("%s: neither progress nor a result for %v: %w", r.method, d, ErrTimeout))
	})
	defer timer.Stop()
	own := *r
	own.opts.hearProgress(r.wantsProgress(), func() { timer.Reset(d) })
	return c.link.call(ctx, &own)
}

// Notify sends a notification.
func (c *Client) Notify(ctx context.Context, method string, params Raw) error {
	ctx, done := c.core.group.bind(ctx)
	defer done(nil)
	return c.link.notify(ctx, method, params)
}

// Answered waits until the server has the answer to everything that it has asked so far
// by requests of a method, or returns ctx's cause. Only legacy servers send requests.
func (c *Client) Answered(ctx context.Context, method string) error {
	return c.core.asking.wait(ctx, method)
}

// Listen says what the client wants to hear of, in place of what it was, and
// waits until the server has agreed; the handlers' options do it by themselves.
// What is heard of goes to the client's handlers. When listening was interrupted,
// what may have been missed counts as changed.
func (c *Client) Listen(ctx context.Context, f Filter) error {
	return c.relisten(ctx, func(current *Filter) { *current = f.clone() })
}

// closeTimeout bounds the farewell to the server.
const closeTimeout = 5 * time.Second

// Close ends all calls, tells the server, and waits for every goroutine of the
// client. It is idempotent.
func (c *Client) Close() error {
	c.once.Do(func() {
		c.core.group.end(ErrClosed)
		c.core.flights.fail(ErrClosed)
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		err := c.link.shutdown(ctx)
		c.core.group.wait()
		if !errors.Is(err, ErrClosed) {
			c.closeErr = err
		}
	})
	return c.closeErr
}
