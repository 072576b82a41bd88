// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/uritemplate"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// edition is a revision as one gateway shows it. It is immutable but for
// superseded, which is closed when there is a newer one.
type edition struct {
	revision   *revision
	views      [numLists]*view
	settled    [numParts]bool // every server shown has had its chance to answer
	discovery  Raw
	superseded chan struct{}
}

// view is one list of an edition: its encoded answer and where its entries lead.
type view struct {
	result  rpc.Result // what every caller gets, with the forms made of it so far
	digest  digest     // of what callers get
	content digest     // of the entries
	routes  map[string]route
	headers map[string][]mcp.HeaderParam // tools only
	match   []templateRoute              // templates only
	finder  *finder                      // tools in search mode only
}

// route says where a key leads.
type route struct {
	source *source
	own    string // the key as the server knows it
	quoted Raw    // own as JSON; nil when the call's key is own already
}

type templateRoute struct {
	template *uritemplate.Template
	route    route
}

// chosen is an entry of a view with its key there.
type chosen struct {
	*item
	key  string
	body Raw
}

// edit makes g's edition of r, taking over what did not change since old.
func (g *Gateway) edit(old *edition, r *revision) *edition {
	e := &edition{revision: r, superseded: make(chan struct{})}
	for p := range part(numParts) {
		e.settled[p] = true
		for _, s := range g.sources {
			e.settled[p] = e.settled[p] && r.states[s.index][p].tried
		}
	}
	for p := range lists {
		if old != nil && old.revision.lists[p] == r.lists[p] {
			e.views[p] = old.views[p]
		} else {
			e.views[p] = g.view(old, r, part(p))
		}
	}
	if old != nil && r.sameAs(old.revision, discovery) {
		e.discovery = old.discovery
	} else {
		e.discovery = g.unite(r)
	}
	return e
}

// view makes one list of an edition, the same as before when it says the same.
func (g *Gateway) view(old *edition, r *revision, p part) *view {
	entries := g.choose(r.lists[p], p)
	digests := make([]digest, len(entries))
	for i := range entries {
		digests[i] = entries[i].digest
	}
	v := &view{content: digestOf(digests), routes: make(map[string]route, len(entries)), headers: map[string][]mcp.HeaderParam{}}
	v.result.Cache = g.hint(r, p)
	if old != nil && old.views[p].content == v.content && old.views[p].result.Cache == v.result.Cache {
		return old.views[p]
	}
	for i := range entries {
		v.enter(&entries[i])
	}
	if p == toolList && g.cfg.Search {
		v.finder = newFinder(entries)
		v.result = rpc.Result{Body: metaTools, Shared: &rpc.Shared{}}
		return v
	}
	v.digest = v.content
	v.result.Body, v.result.Shared = encode(p, entries), &rpc.Shared{}
	return v
}

// choose returns the entries of a list that g shows, with their keys.
func (g *Gateway) choose(m *merged, p part) []chosen {
	var entries []chosen
	taken := make(map[string]bool, len(m.items))
	for i := range m.items {
		it := &m.items[i]
		c := chosen{item: it, key: it.public, body: it.body}
		if g.own != nil {
			c.key, c.body = it.name, it.plain
		}
		if !g.shows(it.source) || taken[c.key] || !g.admits(it.source, p, c.key) {
			continue
		}
		taken[c.key] = true
		entries = append(entries, c)
	}
	return entries
}

// enter notes where an entry leads.
func (v *view) enter(c *chosen) {
	r := route{source: c.source, own: c.own}
	if c.key != c.own {
		r.quoted = jsonrpc.AppendString(nil, c.own)
	}
	v.routes[c.key] = r
	if len(c.headers) > 0 {
		v.headers[c.key] = c.headers
	}
	if c.match != nil {
		v.match = append(v.match, templateRoute{c.match, r})
	}
}

// encode writes a list once for everybody.
func encode(p part, entries []chosen) Raw {
	size := len(lists[p].member) + len(`{"":[]}`)
	for i := range entries {
		size += len(entries[i].body) + 1
	}
	body := append(make(Raw, 0, size), `{"`...)
	body = append(append(body, lists[p].member...), `":[`...)
	for i := range entries {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, entries[i].body...)
	}
	return append(body, `]}`...)
}

// hint returns how long the list may be cached: no longer than any of its
// servers allows, and not at all while one is unavailable. What has been chosen
// from is private.
//
// spec 2026-07-28 server/utilities/caching.
func (g *Gateway) hint(r *revision, p part) mcp.CacheHint {
	var all *mcp.CacheHint
	plain := g.cfg.Include == nil && len(g.cfg.Exclude) == 0 && !g.cfg.Search
	for _, s := range g.sources {
		k := r.states[s.index][p]
		if k.shelf == nil || k.down != "" {
			return mcp.CacheHint{}
		}
		if k.shelf.hint != nil {
			all = narrower(all, k.shelf.hint)
		}
		plain = plain && s.pick.of(p).empty()
	}
	if all == nil {
		return mcp.CacheHint{}
	}
	hint := *all
	if !plain {
		hint.Scope = mcp.CachePrivate
	}
	return hint
}

// maxSteps bounds what the templates of one server may cost a lookup, about 4 ms:
// what is left of them then matches nothing.
const maxSteps = 1 << 20

// template returns where a URI leads by the templates.
func (v *view) template(ctx context.Context, uri string) (route, bool) {
	var of *source
	left := 0
	for i := range v.match {
		t := &v.match[i]
		if t.route.source != of {
			of, left = t.route.source, maxSteps
		}
		cost := t.template.Cost(uri)
		if cost == 0 {
			continue
		}
		if ctx.Err() != nil {
			return route{}, false
		}
		if left -= cost; left >= 0 && t.template.Matches(uri) {
			return route{source: of, own: uri}, true
		}
	}
	return route{}, false
}

// owner returns where a URI leads by list or by template. What is excluded by
// name is not reached by a template either.
func (g *Gateway) owner(ctx context.Context, e *edition, uri string) (route, bool) {
	if r, ok := e.views[resourceList].routes[uri]; ok {
		return r, true
	}
	r, ok := e.views[templateList].template(ctx, uri)
	if !ok || matchAny(r.source.pick.Resources.Exclude, uri) || g.excludes(r.source, resourceList, uri) {
		return route{}, false
	}
	return r, true
}

// shows reports whether g draws on s.
func (g *Gateway) shows(s *source) bool { return g.drawn[s.index] }

// admits reports whether g shows what has this key. What cannot be renamed is
// known by its URI and by the URI behind the server's prefix, so that one
// pattern can choose everything of a server.
func (g *Gateway) admits(s *source, p part, key string) bool {
	return (g.cfg.Include == nil || matchAny(g.cfg.Include, g.names(s, p, key)...)) && !g.excludes(s, p, key)
}

func (g *Gateway) excludes(s *source, p part, key string) bool {
	return len(g.cfg.Exclude) > 0 && matchAny(g.cfg.Exclude, g.names(s, p, key)...)
}

func (g *Gateway) names(s *source, p part, key string) []string {
	if lists[p].renamed {
		return []string{key}
	}
	return []string{key, sanitize(s.name) + separator + key}
}
