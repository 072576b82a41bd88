// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Visible reports whether a caller may know of a tool. It must be quick and safe
// for concurrent use: it is asked of each tool for every list, and for every call.
type Visible func(ctx context.Context, req *Request, tool *mcp.Tool) bool

// VisibleTools makes tools depend on the caller, by its principal, headers or
// session: to one that may not know of a tool it is as if there were none. Lists are
// then never shared between callers. Behind a holdfast.Node, which lists tools once
// for all, a list has what the principal "local" may know of.
func VisibleTools(visible Visible) Option {
	return serverOption(func(s *Server) { s.visible = visible })
}

// ToolsChanged tells clients that list tools anew what they may know of has changed;
// tools that are added, replaced or removed are announced without it.
func (s *Server) ToolsChanged() {
	s.publish(subscription.Tools, rpc.Change{Method: mcp.NotificationToolsChanged})
}

// shows reports whether the caller may know of t.
func (s *Server) shows(ctx context.Context, call *rpc.Call, t *tool) bool {
	return s.visible == nil || s.visible(ctx, newRequest(ctx, call), &t.Tool)
}

// listTools answers tools/list.
func (s *Server) listTools(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if s.visible == nil {
		return s.tools.list(call)
	}
	req := newRequest(ctx, call)
	res, err := s.tools.listOf(call, func(t *tool) bool { return s.visible(ctx, req, &t.Tool) })
	if res.Cache.Scope == mcp.CachePublic {
		res.Cache.Scope = mcp.CachePrivate
	}
	return res, err
}
