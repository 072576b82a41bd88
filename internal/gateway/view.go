// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/uritemplate"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// edition is a revision as one gateway shows it. It is immutable but for
// superseded, which is closed when there is a newer one.
type edition struct {
	revision   *revision
	views      [numLists]*view
	settled    [numParts]bool // every server shown has had its chance to answer
	schemes    schemes
	discovery  Raw
	superseded chan struct{}
}

// view is one list of an edition: its encoded answer and where its entries lead.
type view struct {
	result  func() rpc.Result // what every caller gets, encoded for the first who asks
	cache   mcp.CacheHint     // of the result
	digest  digest            // of what callers get
	content digest            // of the entries
	digests digestSet         // of each
	missing Raw               // the servers whose tools are not among them, encoded; nil for none
	entries []chosen
	picked  []int   // where they are in the revision's list
	names   *naming // of that list
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

// templateRoute says where the URIs of a template lead.
type templateRoute struct {
	template *uritemplate.Template
	source   *source
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
		if old != nil && (old.revision.lists[p] == r.lists[p] || g.own != nil && old.revision.states[g.own.index][p] == r.states[g.own.index][p]) {
			e.views[p] = old.views[p] // one server's own names do not depend on others
		} else {
			e.views[p] = g.view(old, r, part(p))
		}
	}
	if old != nil && old.revision.lists[resourceList] == r.lists[resourceList] && old.revision.lists[templateList] == r.lists[templateList] {
		e.schemes = old.schemes
	} else {
		e.schemes = g.schemesOf(r)
	}
	if old != nil && r.sameAs(old.revision, discovery) && (!g.cfg.Search || r.sameAs(old.revision, toolList)) &&
		(e.views == old.views || !g.filter.selects()) {
		e.discovery = old.discovery
	} else {
		e.discovery = g.unite(e)
	}
	return e
}

// has reports whether there is anything in a list.
func (e *edition) has(p part) bool { return int(p) < numLists && len(e.views[p].routes) > 0 }

// view makes one list of an edition, the same as before when it says the same.
func (g *Gateway) view(old *edition, r *revision, p part) *view {
	v := &view{cache: g.hint(r, p), names: r.lists[p].names}
	if old != nil && old.views[p].names == v.names {
		g.follow(v, old.views[p], r.lists[p])
	} else {
		g.choose(v, r.lists[p], p)
	}
	if p == toolList && !g.cfg.Search {
		v.missing = g.withoutTools(r)
	}
	if old != nil && old.views[p].content == v.content && old.views[p].cache == v.cache && string(old.views[p].missing) == string(v.missing) {
		return old.views[p]
	}
	entries := v.entries
	v.headers = map[string][]mcp.HeaderParam{}
	for i := range entries {
		if e := &entries[i]; len(e.headers) > 0 {
			v.headers[e.key] = e.headers
		}
	}
	body := func() Raw { return withMissing(encode(p, entries), v.missing) }
	v.digest = v.content
	if p == toolList && g.cfg.Search {
		var last *finder
		if old != nil {
			last = old.views[p].finder
		}
		v.finder = newFinder(last, v)
		pinned := g.pins(entries)
		v.digest, body = digestOfChosen(pinned), func() Raw { return metaList(pinned) }
	}
	v.result = sync.OnceValue(func() rpc.Result {
		return rpc.Result{Body: body(), Cache: v.cache, Shared: &rpc.Shared{}}
	})
	return v
}

func digestOfChosen(entries []chosen) digest {
	digests := make([]digest, len(entries))
	for i := range entries {
		digests[i] = entries[i].digest
	}
	return digestOf(digests)
}

// choose puts the entries of a list that g shows into v.
func (g *Gateway) choose(v *view, m *merged, p part) {
	v.routes = make(map[string]route, len(m.items))
	for i := range m.items {
		it := &m.items[i]
		c := chosen{item: it, key: it.public, body: g.bodyOf(it)}
		if g.own != nil {
			c.key = it.name
		}
		if _, taken := v.routes[c.key]; taken || !g.shows(it.source) || !g.takes(it, p, c.key) {
			continue
		}
		v.entries, v.picked = append(v.entries, c), append(v.picked, i)
		v.enter(&c)
	}
	v.content, v.digests = m.digest, m.digests
	if len(v.entries) < len(m.items) {
		digests := make([]digest, len(v.entries))
		for i := range v.entries {
			digests[i] = v.entries[i].digest
		}
		v.digests = newDigestSet(digests)
		v.content = v.digests.sum()
	}
}

// follow is choose for a list with the names of the one that old shows.
func (g *Gateway) follow(v, old *view, m *merged) {
	v.picked, v.routes, v.match = old.picked, old.routes, old.match
	v.entries = make([]chosen, len(v.picked))
	var from, to []digest
	for i, at := range v.picked {
		was, it := &old.entries[i], &m.items[at]
		v.entries[i] = chosen{item: it, key: was.key, body: g.bodyOf(it)}
		if it.digest != was.digest {
			from, to = append(from, was.digest), append(to, it.digest)
		}
	}
	v.content, v.digests = m.digest, m.digests
	if len(v.entries) < len(m.items) {
		v.digests = old.digests.replaced(from, to)
		v.content = v.digests.sum()
	}
}

// bodyOf returns an entry as g shows it.
func (g *Gateway) bodyOf(it *item) Raw {
	if g.own != nil {
		return it.plain
	}
	return it.body
}

// enter notes where an entry leads.
func (v *view) enter(c *chosen) {
	r := route{source: c.source, own: c.own}
	if c.key != c.own {
		r.quoted = c.quoted
	}
	v.routes[c.key] = r
	if c.match != nil {
		v.match = append(v.match, templateRoute{c.match, c.source})
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
	if p == toolList && g.onlyMetaTools() {
		return metaHint
	}
	plain := !g.filter.selects() && !g.cfg.Search
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

// shows reports whether g draws on s.
func (g *Gateway) shows(s *source) bool { return g.drawn[s.index] }

// takes reports whether g shows an entry that has this key here. A name that had to be
// changed counts as what it would have been too: server__* means all of a server.
func (g *Gateway) takes(it *item, p part, key string) bool {
	switch {
	case !lists[p].renamed:
		return g.filter.takesURI(key, it.source.prefix)
	case g.own != nil:
		return g.filter.takes(key)
	}
	return g.filter.takes(key, it.source.prefix+it.wanted)
}

// takesInstance reports whether g shows a URI that a template of s stands for.
func (g *Gateway) takesInstance(s *source, uri string) bool {
	return s.filters[resourceList].takesInstance(uri, "") && g.filter.takesInstance(uri, s.prefix)
}

// selects reports whether the configuration takes less of p of a server than it
// lists. Then nothing else of it is reached.
func (g *Gateway) selects(s *source, p part) bool {
	return s.filters[p].selects() || g.filter.selects()
}
