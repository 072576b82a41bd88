// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// tool routes tools/call, by way of the meta-tools where they are served.
func (g *Gateway) tool(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if g.cfg.Search {
		switch call.Target {
		case findTool:
			return g.findTool(ctx, call)
		case callTool:
			return g.callTool(ctx, call)
		}
	}
	return g.named(ctx, call, toolList)
}

// named routes a call by the name of a tool or prompt.
func (g *Gateway) named(ctx context.Context, call *rpc.Call, p part) (rpc.Result, error) {
	r, ok := g.lookUp(ctx, p, call.Target)
	if !ok {
		if err := g.silent(p, call.Target); err != nil {
			return rpc.Result{}, err
		}
		return rpc.Result{}, unknown(p, call.Target)
	}
	res, err := r.handle(ctx, call)
	return g.mark(&r, p, res), err
}

// mark notes of work that goes on as a task whether its tool's entry says that
// it may be called again.
func (g *Gateway) mark(r *route, p part, res rpc.Result) rpc.Result {
	if p != toolList || res.Deferred == nil || res.Deferred.Repeatable || !mcp.Repeatable(g.catalog.Tool(r.source.name, r.own)) {
		return res
	}
	again := *res.Deferred
	again.Repeatable = true
	res.Deferred = &again
	return res
}

// silent returns the error of a name that may well be that of a server which
// has listed nothing yet, nil when there is none: such a name is not unknown for good.
func (g *Gateway) silent(p part, name string) error {
	e := g.edition.Load()
	for _, s := range g.sources {
		st := e.revision.states[s.index][p]
		if st.shelf != nil || !strings.HasPrefix(name, sanitize(s.name)+separator) {
			continue
		}
		why := st.down
		if why == "" {
			why = "it has not answered yet"
		}
		return jsonrpc.Errorf(jsonrpc.CodeInternal, "server %q has not listed its %ss: %s; try again later", s.name, lists[p].noun, why).
			WithData(map[string]any{"gateway": map[string]string{"server": s.name, "reason": "unavailable"}})
	}
	return nil
}

func unknown(p part, key string) error {
	return jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "unknown %s %q", lists[p].noun, key)
}

// handle passes a call on, under the name the server knows.
func (r *route) handle(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if r.quoted == nil {
		return r.source.backend.Handle(ctx, call)
	}
	own := *call
	own.Target = r.own
	own.Params = jsonrpc.Set(call.Params, "name", r.quoted)
	return r.source.backend.Handle(ctx, &own)
}

// lookUp finds where a key leads. What is known routes at once: a call does not
// wait for servers that have nothing to do with it.
func (g *Gateway) lookUp(ctx context.Context, p part, key string) (route, bool) {
	if r, ok := g.edition.Load().views[p].routes[key]; ok {
		return r, true
	}
	if g.own != nil {
		return g.unlisted(ctx, p, key)
	}
	known := func(e *edition) bool { _, ok := e.views[p].routes[key]; return ok }
	e, err := g.current(ctx, p, known)
	if err != nil {
		return route{}, false
	}
	r, ok := e.views[p].routes[key]
	return r, ok
}

// unlisted returns the route of a key that is not known to be in the list of a
// server of its own: to that server, which may serve more than it lists, unless
// the key was left out or replaced here. Only where the configuration could
// have done that is the first list waited for.
func (g *Gateway) unlisted(ctx context.Context, p part, key string) (route, bool) {
	s, e := g.own, g.edition.Load()
	if pick := s.pick.of(p); e.settled[p] || !pick.empty() {
		var err error
		if e, err = g.current(ctx, p, nil); err != nil || !pick.allows(key) {
			return route{}, false
		}
		if r, ok := e.views[p].routes[key]; ok {
			return r, true
		}
	}
	if shelf := e.revision.states[s.index][p].shelf; shelf != nil {
		if _, hidden := shelf.hidden[key]; hidden {
			return route{}, false
		}
	}
	return route{source: s, own: key}, g.admits(s, p, key)
}

// resource finds which server a URI belongs to: by the list, else by the templates.
func (g *Gateway) resource(ctx context.Context, uri string) (route, bool) {
	if r, ok := g.owner(ctx, g.edition.Load(), uri); ok {
		return r, true
	}
	if g.own != nil {
		return g.unlisted(ctx, resourceList, uri)
	}
	known := func(e *edition) bool { _, ok := g.owner(ctx, e, uri); return ok }
	for _, p := range []part{resourceList, templateList} {
		e, err := g.current(ctx, p, known)
		if err != nil {
			return route{}, false
		}
		if r, ok := g.owner(ctx, e, uri); ok {
			return r, true
		}
	}
	return route{}, false
}

// read routes by URI. One that no list and no template knows is tried at each
// server in order, since servers may serve more than they list; those that are
// not up are tried only when no other is there.
func (g *Gateway) read(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if err := rpc.CheckURI(call.Target); err != nil {
		return rpc.Result{}, err
	}
	if r, ok := g.resource(ctx, call.Target); ok {
		return r.source.backend.Handle(ctx, call)
	}
	var up, down []*source
	for _, s := range g.sources {
		switch {
		case g.own != nil, !s.pick.Resources.allows(call.Target), !g.admits(s, resourceList, call.Target):
		case s.backend.Status().Up:
			up = append(up, s)
		default:
			down = append(down, s)
		}
	}
	if len(up) == 0 {
		up = down
	}
	for _, s := range up {
		res, err := s.backend.Handle(ctx, call)
		if err == nil {
			return res, nil
		}
		if ctx.Err() != nil {
			return rpc.Result{}, context.Cause(ctx)
		}
		if wire, ok := jsonrpc.AsError(err); ok && !wire.FromPeer() && wire.Code == jsonrpc.CodeInternal {
			g.catalog.cfg.Log.Debug("server passed over in search of a resource", "server", s.name, "error", err)
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
		r, ok := g.lookUp(ctx, promptList, name)
		if !ok {
			return rpc.Result{}, unknown(promptList, name)
		}
		if r.quoted == nil {
			return r.source.backend.Handle(ctx, call)
		}
		own := *call
		own.Params = jsonrpc.Set(call.Params, "ref", jsonrpc.Set(params.Ref, "name", r.quoted))
		return r.source.backend.Handle(ctx, &own)
	case "ref/resource":
		uri := text(params.Ref, "uri")
		if err := rpc.CheckURI(uri); err != nil {
			return rpc.Result{}, err
		}
		r, ok := g.lookUp(ctx, templateList, uri)
		if !ok {
			r, ok = g.resource(ctx, uri)
		}
		if !ok {
			return rpc.Result{}, unknown(resourceList, uri)
		}
		return r.source.backend.Handle(ctx, call)
	}
	return rpc.Result{}, jsonrpc.NewError(jsonrpc.CodeInvalidParams, `params.ref.type must be "ref/prompt" or "ref/resource"`)
}

// ToolHeaders returns the Mcp-Param headers of a tool. Like a call, it waits
// only while nothing is known of the tool.
func (g *Gateway) ToolHeaders(ctx context.Context, tool string) []mcp.HeaderParam {
	if g.cfg.Search && (tool == findTool || tool == callTool) {
		return nil
	}
	v := g.edition.Load().views[toolList]
	if _, ok := v.routes[tool]; !ok {
		known := func(e *edition) bool { _, ok := e.views[toolList].routes[tool]; return ok }
		e, err := g.current(ctx, toolList, known)
		if err != nil {
			return nil
		}
		v = e.views[toolList]
	}
	return v.headers[tool]
}
