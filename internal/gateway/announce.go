// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
)

// adopt makes r what g shows and tells listeners of the lists that changed for
// those who have seen them. Only the catalog's merging calls it.
func (g *Gateway) adopt(r *revision) {
	old := g.edition.Load()
	next := g.edit(old, r)
	g.edition.Store(next)
	close(old.superseded)
	for p := range lists {
		changed := old.settled[p] && old.views[p].digest != next.views[p].digest
		if changed || next.settled[p] && g.fulfil(part(p)) {
			g.announce(lists[p].topic)
		}
	}
}

// promise notes that listeners are to be told when p is there for the first
// time, and reports whether it is still to come.
func (g *Gateway) promise(p part) bool {
	if g.edition.Load().settled[p] {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.promised[p] = true
	return true
}

// fulfil reports whether the first view of p was promised, once.
func (g *Gateway) fulfil(p part) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.promised[p]
	g.promised[p] = false
	return was
}

// announce tells listeners that a list has changed: at once when they have not
// been told within the window, else once at its end, when everything that
// changed meanwhile is in the list.
func (g *Gateway) announce(k subscription.Kind) {
	g.mu.Lock()
	if g.telling[k] {
		g.mu.Unlock()
		return
	}
	now := time.Now()
	if wait := g.told[k].Add(g.catalog.cfg.Window).Sub(now); wait > 0 {
		g.telling[k] = true
		time.AfterFunc(wait, func() { g.catalog.spawn(func() { g.tell(k) }) })
		g.mu.Unlock()
		return
	}
	g.told[k] = now
	g.mu.Unlock()
	g.hub.Publish(subscription.Event{Topic: subscription.Topic{Kind: k}})
}

// tell announces what has waited for the end of the window.
func (g *Gateway) tell(k subscription.Kind) {
	g.mu.Lock()
	g.telling[k] = false
	g.told[k] = time.Now()
	g.mu.Unlock()
	g.hub.Publish(subscription.Event{Topic: subscription.Topic{Kind: k}})
}

// pass hands on a change of something that a listener watches. Of a resource that
// is so only where a read of it would lead to the server that tells: what g does
// not show is not heard of either. What nobody watches is not looked up: servers
// may tell of any URI, and as often as they like.
func (g *Gateway) pass(s *source, e subscription.Event) {
	if !g.shows(s) || !g.hub.Listens(e.Topic) {
		return
	}
	if e.Topic.Kind == subscription.Resource {
		if rpc.CheckURI(e.Topic.Key) != nil {
			return
		}
		if r, ok := g.leads(g.catalog.ctx, g.edition.Load(), e.Topic.Key); !ok || r.source != s {
			return
		}
	}
	g.hub.Publish(e)
}
