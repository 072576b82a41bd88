// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"context"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/display"
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
		case callTool, callReadOnlyTool:
			return g.callTool(ctx, call)
		}
	}
	return g.named(ctx, call, toolList)
}

// named routes a call by the name of a tool or prompt.
func (g *Gateway) named(ctx context.Context, call *rpc.Call, p part) (rpc.Result, error) {
	r, ok, err := g.find(ctx, p, call.Target)
	switch {
	case err != nil:
		return rpc.Result{}, err
	case !ok:
		return rpc.Result{}, g.unknown(p, call.Target)
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

// await waits for the lists of the server that a key may well be of, when it has listed
// nothing yet and began to fail a moment ago. It returns an error while they are missing:
// such a key is not unknown for good.
func (g *Gateway) await(ctx context.Context, p part, key string) error {
	s := g.silent(p, key)
	if s == nil || g.catalog.await(ctx, s, p) {
		return nil
	}
	why := cmp.Or(g.edition.Load().revision.states[s.index][p].down, notAnswered)
	return jsonrpc.Errorf(jsonrpc.CodeInternal, "server %q has not listed its %ss: %s; try again later", s.name, lists[p].noun, why).
		WithData(map[string]any{"gateway": map[string]string{"server": s.name, "reason": "unavailable"}})
}

// silent returns the server that has listed nothing yet and that a key may be of, nil when
// there is none. On a common endpoint a name is of the server with the longest prefix that
// it begins with.
func (g *Gateway) silent(p part, key string) *source {
	s := g.own
	if s == nil && lists[p].renamed {
		for _, one := range g.sources {
			if strings.HasPrefix(key, one.prefix) && (s == nil || len(one.prefix) > len(s.prefix)) {
				s = one
			}
		}
	}
	if s == nil && lists[p].renamed {
		s = g.shortenedOf(p, key)
	}
	if s == nil || g.edition.Load().revision.states[s.index][p].shelf != nil {
		return nil
	}
	return s
}

// shortenedOf returns a server which has listed nothing yet and could have given rise to
// a name whose server's part was cut; nil when there is none.
func (g *Gateway) shortenedOf(p part, key string) *source {
	if !digested.MatchString(key) {
		return nil
	}
	server, _, cut := strings.Cut(key, separator)
	states := g.edition.Load().revision.states
	for _, s := range g.sources {
		if states[s.index][p].shelf == nil && (!cut || strings.HasPrefix(s.prefix, server)) {
			return s
		}
	}
	return nil
}

// notAnswered is why a server is unavailable that has neither answered nor failed.
const notAnswered = "it has not answered yet"

// unknown is the error of a key that leads nowhere. Where tools are searched for it
// names those that may have been meant.
func (g *Gateway) unknown(p part, key string) error {
	near := ""
	if p == toolList && g.cfg.Search {
		near = "." + g.suggestTools(key)
	}
	return jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "unknown %s %s%s", lists[p].noun, display.Quote(key), near)
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

// find is lookUp that waits for a server which has listed nothing yet, see await.
func (g *Gateway) find(ctx context.Context, p part, key string) (r route, ok bool, err error) {
	if r, ok = g.lookUp(ctx, p, key); ok {
		return r, true, nil
	}
	if err := g.await(ctx, p, key); err != nil {
		return route{}, false, err
	}
	r, ok = g.lookUp(ctx, p, key) // there may be a list now
	return r, ok, nil
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
// the key was replaced here or the configuration takes less than everything. Only
// where the configuration says something of the list is it waited for.
func (g *Gateway) unlisted(ctx context.Context, p part, key string) (route, bool) {
	s, e := g.own, g.edition.Load()
	if e.settled[p] || !s.pick.of(p).empty() || g.filter.selects() {
		var err error
		if e, err = g.current(ctx, p, nil); err != nil {
			return route{}, false
		}
		if r, ok := e.views[p].routes[key]; ok {
			return r, true
		}
	}
	if g.selects(s, p) {
		return route{}, false
	}
	if shelf := e.revision.states[s.index][p].shelf; shelf != nil {
		if _, hidden := shelf.hidden[key]; hidden {
			return route{}, false
		}
	}
	return route{source: s, own: key}, true
}

// ToolHeaders returns the Mcp-Param headers of a tool. Like a call, it waits
// only while nothing is known of the tool.
func (g *Gateway) ToolHeaders(ctx context.Context, tool string) []mcp.HeaderParam {
	if g.cfg.Search && isMetaTool(tool) {
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
