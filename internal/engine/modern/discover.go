// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// discover answers server/discover: the handler's own answer with the versions
// and the extensions that the engine serves. The body is not decoded, so
// capabilities that this package does not know pass through.
//
// spec 2026-07-28 server/discover.
func (p *Protocol) discover(ctx context.Context, call *rpc.Call) (rpc.Result, *jsonrpc.Error) {
	res, wire := engine.Invoke(ctx, p.cfg.Log, p.cfg.Handler, call)
	if wire != nil {
		return res, wire
	}
	body := res.Body
	info, named := jsonrpc.Get(body, "serverInfo")
	body = jsonrpc.Delete(body, "serverInfo")
	if named {
		meta, _ := jsonrpc.Get(body, "_meta")
		body = jsonrpc.Set(body, "_meta", jsonrpc.Set(meta, mcp.MetaServerInfo, info))
	}
	capabilities, _ := jsonrpc.Get(body, "capabilities")
	body = jsonrpc.Set(body, "capabilities", p.withExtensions(capabilities))
	res.Body = jsonrpc.Set(body, "supportedVersions", mustMarshal(p.supported))
	return res, nil
}

// withExtensions adds the engine's extensions to a capabilities object and
// removes what only legacy has. A handler that says null about an extension has
// no use for it: then it is not offered.
func (p *Protocol) withExtensions(capabilities Raw) Raw {
	capabilities = jsonrpc.Delete(capabilities, "tasks")
	extensions, offered := jsonrpc.Get(capabilities, "extensions")
	if len(p.extensions) == 0 && !offered {
		if capabilities == nil {
			return Raw("{}")
		}
		return capabilities
	}
	said := extensions
	for name, settings := range jsonrpc.Members(said) {
		if id, ok := jsonrpc.Unquote(name); ok && settings.Kind() == 'n' {
			extensions = jsonrpc.Delete(extensions, id)
		}
	}
	for _, e := range p.extensions {
		if _, has := jsonrpc.Get(said, e.ID); has {
			continue
		}
		settings := e.Settings
		if settings == nil {
			settings = Raw("{}")
		}
		extensions = jsonrpc.Set(extensions, e.ID, settings)
	}
	if extensions == nil {
		extensions = Raw("{}")
	}
	return jsonrpc.Set(capabilities, "extensions", extensions)
}

// capabilities asks the handler what it offers to the sender of req.
func (p *Protocol) capabilities(ctx context.Context, req *request) (mcp.ServerCapabilities, *jsonrpc.Error) {
	call := &rpc.Call{Method: mcp.MethodDiscover, Peer: req.peer, Principal: req.principal, Client: silent{}}
	res, wire := engine.Invoke(ctx, p.cfg.Log, p.cfg.Handler, call)
	if wire != nil {
		return mcp.ServerCapabilities{}, wire
	}
	var found mcp.Discovery
	if err := json.Unmarshal(res.Body, &found); err != nil {
		p.cfg.Log.Error("handler's discovery is not readable", "error", err)
		return mcp.ServerCapabilities{}, jsonrpc.NewError(jsonrpc.CodeInternal, "internal error")
	}
	return found.Capabilities, nil
}

// silent is the [rpc.Client] of calls the engine makes for itself.
type silent struct{}

func (silent) Notify(context.Context, string, Raw) error { return nil }

func (silent) Ask(context.Context, map[string]rpc.InputRequest) (map[string]Raw, error) {
	return nil, jsonrpc.NewError(jsonrpc.CodeInternal, "this call has no client to ask")
}
