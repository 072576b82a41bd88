// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// A URI leads to a server in one of four ways, the first that applies: a list has
// it; a template stands for it; it is a server's own endpoint; one server alone
// lists URIs of its scheme. In the last two nobody has looked at the URI, so they
// are for servers of which everything is taken.

// maxSteps bounds what the templates of one server may cost a lookup, about 4 ms:
// what is left of them then matches nothing.
const maxSteps = 1 << 20

// leads returns where a URI leads by what e knows.
func (g *Gateway) leads(ctx context.Context, e *edition, uri string) (route, bool) {
	if r, ok := e.views[resourceList].routes[uri]; ok {
		return r, true
	}
	if s := g.template(ctx, e, uri); s != nil {
		return route{source: s, own: uri}, true
	}
	s := g.own
	if s == nil {
		s = e.schemes[schemeOf(uri)]
	}
	if s == nil || g.selects(s, resourceList) {
		return route{}, false
	}
	return route{source: s, own: uri}, true
}

// template returns the first server with a template that stands for a URI which
// the configuration does not leave out, nil when there is none. On a common endpoint
// a template without a scheme would claim the URIs of all servers, so it claims none.
func (g *Gateway) template(ctx context.Context, e *edition, uri string) *source {
	var of *source
	left := 0
	for i := range e.views[templateList].match {
		t := &e.views[templateList].match[i]
		if t.source != of {
			of, left = t.source, maxSteps
		}
		cost := t.template.Cost(uri)
		if cost == 0 || g.own == nil && schemeOf(t.template.Prefix()) == "" {
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		if left -= cost; left >= 0 && t.template.Matches(uri) && g.takesInstance(of, uri) {
			return of
		}
	}
	return nil
}

// schemes says which server alone lists URIs of a scheme; nil where several do.
type schemes map[string]*source

// schemesOf returns the schemes of what the servers of a common endpoint list.
func (g *Gateway) schemesOf(r *revision) schemes {
	if g.own != nil || g.filter.selects() {
		return nil
	}
	all := schemes{}
	for _, p := range []part{resourceList, templateList} {
		for i := range r.lists[p].items {
			it := &r.lists[p].items[i]
			scheme := schemeOf(it.own)
			if scheme == "" || !g.shows(it.source) {
				continue
			}
			if one, has := all[scheme]; has && one != it.source {
				all[scheme] = nil
			} else {
				all[scheme] = it.source
			}
		}
	}
	return all
}

// resource finds which server a URI belongs to. Only what is in no list yet waits
// for the lists: on a server's own endpoint not even that, when all of it is taken.
func (g *Gateway) resource(ctx context.Context, uri string) (route, bool) {
	e := g.edition.Load()
	known := func(e *edition) bool {
		_, listed := e.views[resourceList].routes[uri]
		return listed || g.template(ctx, e, uri) != nil
	}
	if g.own == nil || g.selects(g.own, resourceList) {
		for _, p := range []part{resourceList, templateList} {
			if known(e) {
				break
			}
			var err error
			if e, err = g.current(ctx, p, known); err != nil {
				return route{}, false
			}
		}
	}
	return g.leads(ctx, e, uri)
}

// read routes by URI.
func (g *Gateway) read(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if err := rpc.CheckURI(call.Target); err != nil {
		return rpc.Result{}, err
	}
	if r, ok := g.resource(ctx, call.Target); ok {
		return r.source.backend.Handle(ctx, call)
	}
	if err := g.await(ctx, resourceList, call.Target); err != nil {
		return rpc.Result{}, err
	}
	if r, ok := g.resource(ctx, call.Target); ok {
		return r.source.backend.Handle(ctx, call)
	}
	return g.readUnlisted(ctx, call)
}

// readUnlisted asks the servers that are marked for it for a URI that nobody claims, in
// the order of the configuration; those that are not up only when no other is
// there.
func (g *Gateway) readUnlisted(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	var up, down []*source
	for _, s := range g.sources {
		switch {
		case g.own != nil, !s.pick.Resources.Unlisted, g.selects(s, resourceList):
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
