// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Handle passes a call on to the server and its result back.
func (r *Remote) Handle(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if r.cfg.CallTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.cfg.CallTimeout)
		defer cancel()
	}
	l, err := r.connect(ctx)
	if err != nil {
		return rpc.Result{}, r.unreachable("unavailable", err)
	}
	if call.Method == mcp.MethodDiscover {
		return l.discover()
	}
	body, err := l.client.Call(ctx, call.Method, l.params(call), r.callOptions(ctx, l, call))
	if err != nil {
		return rpc.Result{}, r.callError(ctx, l, call, err)
	}
	return l.result(call, body)
}

// callError says whether the server refused or could not be reached, and drops
// a connection that has ended.
func (r *Remote) callError(ctx context.Context, l *link, call *rpc.Call, err error) error {
	if wire, ok := jsonrpc.AsError(err); ok {
		up := mcp.UpError(l.features(), call.Method, wire)
		if wire.Code == mcp.CodeResourceNotFound {
			up = mcp.WithURI(up, call.Target)
		}
		return up
	}
	switch {
	case errors.Is(err, client.ErrConnClosed), errors.Is(err, client.ErrClosed):
		r.drop(l)
		return r.unreachable("lost", err)
	case errors.Is(err, client.ErrNotOffered):
		return jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "server %q does not have method %q", r.cfg.Name, call.Method)
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return r.unreachable("timeout", err)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return r.unreachable("failed", err)
}

// unreachable is an error made here about a server. Its data marks it as the
// gateway's, so that it is not taken for the server's own.
func (r *Remote) unreachable(reason string, err error) error {
	return jsonrpc.Errorf(jsonrpc.CodeInternal, "server %q: %w", r.cfg.Name, err).WithData(map[string]any{
		"gateway": map[string]string{"server": r.cfg.Name, "reason": reason},
	})
}
