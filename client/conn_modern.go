// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// modernConn speaks the modern era over a message stream.
//
// spec 2026-07-28 basic/transports#stdio.
type modernConn struct {
	*mux
	version mcp.Version
	greeted *hello
	heard   *listener
}

func newModernConn(m *mux, v mcp.Version) *modernConn {
	c := &modernConn{mux: m, version: v, greeted: &hello{version: v}}
	c.heard = newListener(m.core, c.call)
	c.heard.disjoint = true
	return c
}

// settle is called when the server is known to be modern.
func (c *modernConn) settle(h *hello) {
	c.version, c.greeted = h.version, h
	refuse := func(m jsonrpc.Message) {
		// spec 2026-07-28 basic/transports#stdio: servers MUST NOT send requests, and
		// clients MUST NOT send responses.
		c.log.Debug("request of a modern server dropped", "method", m.Method)
	}
	c.request.Store(&refuse)
}

func (c *modernConn) hello() *hello           { return c.greeted }
func (c *modernConn) features() *mcp.Features { return c.version.Features() }

func (c *modernConn) call(ctx context.Context, r *request) (Raw, error) {
	f := c.newFlight(c.nextID(), r)
	return c.roundTrip(ctx, f, c.modernParams(f, c.version))
}

func (c *modernConn) notify(ctx context.Context, method string, params Raw) error {
	return c.send(ctx, jsonrpc.AppendNotification(nil, method, params))
}

func (c *modernConn) listen(ctx context.Context, f Filter) error { return c.heard.set(ctx, f) }
