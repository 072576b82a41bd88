// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// legacyConn speaks the legacy era over a message stream: stdio, HTTP+SSE, a pipe.
//
// spec 2025-11-25 basic/transports#stdio.
type legacyConn struct {
	*mux
	greeted *hello
	subs    *subscribed
}

// openLegacyConn makes the handshake on a connection that may have served a
// probe before.
func openLegacyConn(ctx context.Context, m *mux, asked mcp.Version) (*legacyConn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, m.cfg.probeTimeout,
		fmt.Errorf("%s not answered after %v: %w", mcp.MethodInitialize, m.cfg.probeTimeout, ErrTimeout))
	defer cancel()
	l := &legacyConn{mux: m, subs: newSubscribed()}
	var err error
	l.greeted, err = m.greet(asked, func(params Raw) (Raw, error) {
		f := m.newFlight(m.nextID(), &request{method: mcp.MethodInitialize, params: params})
		return m.roundTrip(ctx, f, f.wireParams())
	})
	if err != nil {
		return nil, err
	}
	m.flights.lateLogs()
	if err := m.send(ctx, jsonrpc.AppendNotification(nil, mcp.NotificationInitialized, nil)); err != nil {
		return nil, fmt.Errorf("confirm the session: %w", err)
	}
	return l, nil
}

func (l *legacyConn) hello() *hello           { return l.greeted }
func (l *legacyConn) features() *mcp.Features { return l.greeted.version.Features() }

func (l *legacyConn) call(ctx context.Context, r *request) (Raw, error) {
	f := l.newFlight(l.nextID(), r)
	return l.roundTrip(ctx, f, f.wireParams())
}

func (l *legacyConn) notify(ctx context.Context, method string, params Raw) error {
	return l.send(ctx, jsonrpc.AppendNotification(nil, method, params))
}

// listen subscribes to resources; the rest is told unasked.
func (l *legacyConn) listen(ctx context.Context, f Filter) error {
	return l.subs.set(ctx, f.URIs, l.call)
}
