// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Config says what one gateway shows of the catalog.
type Config struct {
	Info mcp.Implementation
	// Own is the name of the one server that is served under its own names. What
	// its lists do not have goes to it as it is, unless the configuration takes less
	// than everything of it. Empty for a common endpoint.
	Own string
	// Servers are the names of the servers drawn on; nil means all.
	Servers []string
	// Include and Exclude are globs over public names (server__tool). Resources
	// are known by their URI and by server__URI. Nil Include means all; Exclude wins.
	Include, Exclude []string
	// Search lists find_tool, call_tool and call_read_only_tool in place of the
	// tools. Calling a tool by its name works too.
	Search bool
	// Pin are globs over public names of tools that are listed beside these.
	Pin []string
}

// Gateway answers calls for the servers it draws on. It is safe for concurrent
// use and starts no goroutine: its catalog does.
type Gateway struct {
	cfg     Config
	filter  filter
	pinned  filter // what Pin names
	hub     *subscription.Hub
	catalog *Catalog
	sources []*source // drawn on, in the order of the configuration
	drawn   []bool    // by source index: is it one of sources
	own     *source   // nil for a common endpoint

	edition atomic.Pointer[edition]
	seen    [numLists]atomic.Bool // somebody has been given the list

	mu       sync.Mutex
	promised [numLists]bool // listeners are told of the first view
	told     map[subscription.Kind]time.Time
	telling  map[subscription.Kind]bool // they will be told at the end of the window
	watched  map[string]*source         // by URI
}

// New returns a gateway over catalog. Changes of what it shows are published on
// hub. It panics when cfg.Own names no server.
func New(cfg Config, hub *subscription.Hub, catalog *Catalog) *Gateway {
	g := &Gateway{
		cfg: cfg, filter: newFilter(cfg.Include, cfg.Exclude), pinned: newFilter(cfg.Pin, nil), hub: hub, catalog: catalog,
		told: map[subscription.Kind]time.Time{}, telling: map[subscription.Kind]bool{}, watched: map[string]*source{},
	}
	for _, s := range catalog.sources {
		switch {
		case cfg.Own == s.name:
			g.own, g.sources = s, []*source{s}
		case cfg.Own == "" && (cfg.Servers == nil || slices.Contains(cfg.Servers, s.name)):
			g.sources = append(g.sources, s)
		}
	}
	g.drawn = make([]bool, len(catalog.sources))
	for _, s := range g.sources {
		g.drawn[s.index] = true
	}
	if cfg.Own != "" && g.own == nil {
		panic("gateway: no server " + cfg.Own)
	}
	g.edition.Store(g.edit(nil, catalog.revision.Load()))
	catalog.add(g)
	return g
}

// Handle answers a call.
func (g *Gateway) Handle(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	switch call.Method {
	case mcp.MethodCallTool:
		return g.tool(ctx, call)
	case mcp.MethodGetPrompt:
		return g.named(ctx, call, promptList)
	case mcp.MethodReadResource:
		return g.read(ctx, call)
	case mcp.MethodComplete:
		return g.complete(ctx, call)
	case mcp.MethodDiscover:
		return g.discover(ctx, call)
	}
	if p, ok := listPart(call.Method); ok {
		return g.list(ctx, call, p)
	}
	if g.own != nil && !(isSkill(call.Method) && g.selects(g.own, resourceList)) {
		return g.own.backend.Handle(ctx, call)
	}
	return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "method %s is not available", display.Quote(call.Method))
}

// isSkill reports whether a method shows resources beside the lists: skills and
// directories. Where some resources are chosen it has nothing to show.
func isSkill(method string) bool {
	return method == mcp.MethodListSkills || method == mcp.MethodGetSkill || method == mcp.MethodReadDirectory
}

// list answers a list call with the encoded view, which has one page.
func (g *Gateway) list(ctx context.Context, call *rpc.Call, p part) (rpc.Result, error) {
	if cursor, ok := jsonrpc.Get(call.Params, "cursor"); ok && len(cursor) > 0 {
		return rpc.Result{}, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "invalid cursor: the list has one page")
	}
	if p == toolList && g.onlyMetaTools() { // which needs no server
		e := g.edition.Load()
		if !e.settled[p] {
			g.catalog.demand(g.sources, p) // find_tool comes next
		}
		return e.views[p].result(), nil
	}
	e, err := g.current(ctx, p, nil)
	if err != nil {
		return rpc.Result{}, err
	}
	g.seen[p].Store(true)
	return e.views[p].result(), nil
}

var errClosing = errors.New("the gateway is being stopped")

// current returns the latest edition. Only while servers have never been asked
// for p does it wait: until all have answered or had their time, until the
// edition is enough, or until ctx ends, which is an error. Where nothing says what
// is enough, some entries are after a while; the rest is announced. What is older
// than it may be is asked for again in the background.
func (g *Gateway) current(ctx context.Context, p part, enough func(*edition) bool) (*edition, error) {
	e := g.edition.Load()
	if e.settled[p] {
		g.catalog.touch(g.sources, p)
		return e, nil
	}
	g.catalog.demand(g.sources, p)
	some := time.NewTimer(time.Until(g.catalog.asked(g.sources, p).Add(g.catalog.cfg.Enough)))
	defer some.Stop()
	over := false
	for !e.settled[p] && (enough == nil || !enough(e)) {
		if over && enough == nil && e.has(p) && g.promise(p) {
			return g.edition.Load(), nil
		}
		select {
		case <-e.superseded:
			e = g.edition.Load()
		case <-some.C:
			over = g.catalog.cfg.Enough < g.catalog.cfg.ListTimeout
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-g.catalog.ctx.Done():
			return nil, errClosing
		}
	}
	return e, nil
}

// RootsChanged tells the servers drawn on that the roots of a legacy session's client
// are others now.
func (g *Gateway) RootsChanged(session string) {
	for _, s := range g.sources {
		s.backend.RootsChanged(session)
	}
}

// Release tells the servers drawn on that a legacy session has ended.
func (g *Gateway) Release(session string) {
	for _, s := range g.sources {
		s.backend.Release(session)
	}
}
