// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// named routes a call by its public tool or prompt name.
func (g *Gateway) named(ctx context.Context, call *rpc.Call, k kind, noun string) (rpc.Result, error) {
	r, ok := g.lookup(ctx, call, k, call.Target)
	if !ok {
		return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "unknown %s %q", noun, call.Target)
	}
	own := *call
	own.Target = r.own
	own.Params = jsonrpc.Set(call.Params, "name", jsonrpc.AppendString(nil, r.own))
	return r.backend.Handle(ctx, &own)
}

// lookup finds where a public key leads. A stale list still routes what it
// knows: a call must not wait for servers that have nothing to do with it.
func (g *Gateway) lookup(ctx context.Context, call *rpc.Call, k kind, key string) (route, bool) {
	if v := g.lists[k.member].latest(); v != nil {
		if r, ok := v.routes[key]; ok {
			return r, true
		}
	}
	r, ok := g.view(ctx, call, k.member).routes[key]
	return r, ok
}

// owner returns which backend a URI belongs to: by the list, else by the templates.
func (g *Gateway) owner(ctx context.Context, call *rpc.Call, uri string) (route, bool) {
	if r, ok := g.lookup(ctx, call, resourceKind, uri); ok {
		return r, true
	}
	return g.view(ctx, call, templateKind.member).find(uri)
}

// read routes by URI. One that no list and no template knows is tried at each
// backend in order, since servers may serve more than they list.
func (g *Gateway) read(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if r, ok := g.owner(ctx, call, call.Target); ok {
		return r.backend.Handle(ctx, call)
	}
	for _, b := range g.backends {
		res, err := b.Handle(ctx, call)
		if err == nil {
			return res, nil
		}
		if wire, ok := jsonrpc.AsError(err); ok && !wire.FromPeer() && wire.Code == jsonrpc.CodeInternal {
			g.cfg.Log.Debug("server passed over in search of a resource", "server", b.Name(), "error", err)
		}
	}
	return rpc.Result{}, mcp.ResourceNotFound(call.Target)
}

// complete routes by the prompt or the URI template that is completed.
func (g *Gateway) complete(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	var params struct {
		Ref Raw `json:"ref"`
	}
	if err := json.Unmarshal(call.Params, &params); err != nil || params.Ref == nil {
		return rpc.Result{}, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "params.ref is required")
	}
	switch text(params.Ref, "type") {
	case "ref/prompt":
		name := text(params.Ref, "name")
		r, ok := g.lookup(ctx, call, promptKind, name)
		if !ok {
			return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "unknown prompt %q", name)
		}
		own := *call
		ref := jsonrpc.Set(params.Ref, "name", jsonrpc.AppendString(nil, r.own))
		own.Params = jsonrpc.Set(call.Params, "ref", ref)
		return r.backend.Handle(ctx, &own)
	case "ref/resource":
		uri := text(params.Ref, "uri")
		r, ok := g.lookup(ctx, call, templateKind, uri)
		if !ok {
			r, ok = g.owner(ctx, call, uri)
		}
		if !ok {
			return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "unknown resource %q", uri)
		}
		return r.backend.Handle(ctx, call)
	}
	return rpc.Result{}, jsonrpc.NewError(jsonrpc.CodeInvalidParams, `params.ref.type must be "ref/prompt" or "ref/resource"`)
}

// ToolHeaders returns the Mcp-Param headers of a public tool.
func (g *Gateway) ToolHeaders(ctx context.Context, tool string) []mcp.HeaderParam {
	call := &rpc.Call{Principal: rpc.PrincipalFrom(ctx), Peer: &rpc.Peer{Features: mcp.Latest.Features()}}
	return g.view(ctx, call, toolKind.member).headers[tool]
}

// Watch starts or stops watching a resource at the backend it belongs to.
func (g *Gateway) Watch(ctx context.Context, uri string, active bool) error {
	call := &rpc.Call{Principal: rpc.Local, Peer: &rpc.Peer{Features: mcp.Latest.Features()}}
	r, ok := g.owner(ctx, call, uri)
	if !ok {
		return mcp.ResourceNotFound(uri)
	}
	return r.backend.Watch(ctx, uri, active)
}
