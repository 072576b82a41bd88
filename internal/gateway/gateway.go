// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package gateway puts many backends behind one handler: it merges their lists
// into catalogs, gives their tools and prompts distinct names, and routes each
// call to the backend it belongs to. A backend that is slow or gone costs its
// own entries, never the list.
//
// The Gateway starts goroutines only to ask backends at the same time; each
// ends with the call that started it.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Config bounds the gateway. Zero fields take the documented defaults.
type Config struct {
	Info mcp.Implementation
	// OwnNames serves one backend under its own names: only its lists pass
	// through the catalog, everything else goes to it as it is.
	OwnNames    bool
	ListTimeout time.Duration // for one backend's part of a list; default 20 s
	Fresh       time.Duration // a list is asked for again after this, besides on list_changed; default 30 s
	Log         *slog.Logger
}

// Gateway answers calls for all its backends. It is safe for concurrent use.
type Gateway struct {
	cfg      Config
	hub      *subscription.Hub
	backends []backend.Backend

	lists map[string]*list // by kind's member; not changed after New
}

// list is one kind's current view.
type list struct {
	kind kind

	build sync.Mutex       // held while asking backends, so that one caller asks for all
	last  map[string][]Raw // what each backend offered last; guarded by build

	mu    sync.RWMutex
	view  *view     // nil before the first
	until time.Time // when it becomes stale
}

// New returns a gateway of backends, whose order decides conflicts. Changes are
// published on hub.
func New(cfg Config, hub *subscription.Hub, backends []backend.Backend) *Gateway {
	if cfg.ListTimeout <= 0 {
		cfg.ListTimeout = 20 * time.Second
	}
	if cfg.Fresh <= 0 {
		cfg.Fresh = 30 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	g := &Gateway{cfg: cfg, hub: hub, backends: backends, lists: map[string]*list{}}
	for _, k := range kinds {
		if cfg.OwnNames {
			k.renamed = false
		}
		g.lists[k.member] = &list{kind: k, last: map[string][]Raw{}}
	}
	return g
}

// Handle answers a call of the common endpoint.
func (g *Gateway) Handle(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if g.cfg.OwnNames && g.lists[listMember(call.Method)] == nil {
		return g.backends[0].Handle(ctx, call)
	}
	switch call.Method {
	case mcp.MethodDiscover:
		return g.discover(ctx, call)
	case mcp.MethodListTools:
		return g.list(ctx, call, toolKind.member)
	case mcp.MethodListPrompts:
		return g.list(ctx, call, promptKind.member)
	case mcp.MethodListResources:
		return g.list(ctx, call, resourceKind.member)
	case mcp.MethodListResourceTemplates:
		return g.list(ctx, call, templateKind.member)
	case mcp.MethodCallTool:
		return g.named(ctx, call, toolKind, "tool")
	case mcp.MethodGetPrompt:
		return g.named(ctx, call, promptKind, "prompt")
	case mcp.MethodReadResource:
		return g.read(ctx, call)
	case mcp.MethodComplete:
		return g.complete(ctx, call)
	}
	return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "method %q is not available", call.Method)
}

// listMember returns the member of a list method's result, "" for other methods.
func listMember(method string) string {
	for _, k := range kinds {
		if k.method == method {
			return k.member
		}
	}
	return ""
}

// discover unites what the backends offer.
func (g *Gateway) discover(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	d := mcp.Discovery{ServerInfo: g.cfg.Info}
	caps := &d.Capabilities
	for _, found := range g.discoveries(ctx, call) {
		c := found.Capabilities
		if c.Tools != nil {
			caps.Tools = &mcp.ListCapability{ListChanged: true}
		}
		if c.Prompts != nil {
			caps.Prompts = &mcp.ListCapability{ListChanged: true}
		}
		if c.Resources != nil {
			subscribe := c.Resources.Subscribe || caps.Resources != nil && caps.Resources.Subscribe
			caps.Resources = &mcp.ResourcesCapability{Subscribe: subscribe, ListChanged: true}
		}
		if c.Logging != nil {
			caps.Logging = &struct{}{}
		}
		if c.Completions != nil {
			caps.Completions = &struct{}{}
		}
	}
	if caps.Tools == nil { // a gateway whose servers are all down still has a (then empty) list
		caps.Tools = &mcp.ListCapability{ListChanged: true}
	}
	body, err := json.Marshal(d)
	return rpc.Result{Body: body}, err
}

// discoveries asks all backends at once; those that fail are left out.
func (g *Gateway) discoveries(ctx context.Context, call *rpc.Call) []mcp.Discovery {
	found := make([]mcp.Discovery, len(g.backends))
	g.each(ctx, func(ctx context.Context, i int, b backend.Backend) error {
		res, err := b.Handle(ctx, internalCall(call, mcp.MethodDiscover, nil))
		if err == nil {
			err = json.Unmarshal(res.Body, &found[i])
		}
		return err
	})
	return found
}

// each runs do for every backend at the same time, bounded by the list timeout,
// and logs failures.
func (g *Gateway) each(ctx context.Context, do func(ctx context.Context, i int, b backend.Backend) error) {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.ListTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for i, b := range g.backends {
		wg.Go(func() {
			if err := do(ctx, i, b); err != nil && !notOffered(err) {
				g.cfg.Log.Warn("server left out of a list", "server", b.Name(), "error", err)
			}
		})
	}
	wg.Wait()
}

func notOffered(err error) bool {
	wire, ok := jsonrpc.AsError(err)
	return ok && wire.Code == jsonrpc.CodeMethodNotFound
}

// list answers a list call with the merged view.
func (g *Gateway) list(ctx context.Context, call *rpc.Call, member string) (rpc.Result, error) {
	if cursor, ok := jsonrpc.Get(call.Params, "cursor"); ok && len(cursor) > 0 {
		return rpc.Result{}, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "invalid cursor: the list has one page")
	}
	return rpc.Result{Body: g.view(ctx, call, member).body}, nil
}

// view returns the current merged list, asking the backends when it is stale.
func (g *Gateway) view(ctx context.Context, call *rpc.Call, member string) *view {
	l := g.lists[member]
	if v := l.current(); v != nil {
		return v
	}
	l.build.Lock()
	defer l.build.Unlock()
	if v := l.current(); v != nil {
		return v
	}
	parts := make([][]Raw, len(g.backends))
	asked := make([]bool, len(g.backends))
	g.each(ctx, func(ctx context.Context, i int, b backend.Backend) error {
		var err error
		parts[i], err = pages(ctx, call, b, l.kind)
		asked[i] = err == nil || notOffered(err)
		return err
	})
	var listings []listing
	for i, b := range g.backends {
		if asked[i] {
			l.last[b.Name()] = parts[i]
		}
		listings = append(listings, listing{b, l.last[b.Name()]}) // a sick server keeps what it offered last
	}
	v := merge(l.kind, listings, g.cfg.Log)
	l.set(v, time.Now().Add(g.cfg.Fresh))
	return v
}

func (l *list) current() *view {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.view == nil || time.Now().After(l.until) {
		return nil
	}
	return l.view
}

// latest returns the view that was built last, stale or not.
func (l *list) latest() *view {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.view
}

// expire makes the view stale at once.
func (l *list) expire() {
	l.mu.Lock()
	l.until = time.Time{}
	l.mu.Unlock()
}

func (l *list) set(v *view, until time.Time) {
	l.mu.Lock()
	l.view, l.until = v, until
	l.mu.Unlock()
}

// maxPages bounds one backend's list: a server whose cursor never ends is cut off.
const maxPages = 200

// pages reads a backend's whole list.
func pages(ctx context.Context, call *rpc.Call, b backend.Backend, k kind) ([]Raw, error) {
	var all []Raw
	cursor := ""
	for range maxPages {
		var params Raw
		if cursor != "" {
			params = append(jsonrpc.AppendString(Raw(`{"cursor":`), cursor), '}')
		}
		res, err := b.Handle(ctx, internalCall(call, k.method, params))
		if err != nil {
			return nil, err
		}
		part, next, err := items(res, k)
		if err != nil {
			return nil, err
		}
		if all = append(all, part...); next == "" || next == cursor {
			return all, nil
		}
		cursor = next
	}
	return all, nil
}

// internalCall is a call that the gateway makes on its own account.
func internalCall(from *rpc.Call, method string, params Raw) *rpc.Call {
	return &rpc.Call{Method: method, Params: params, Peer: from.Peer, Principal: from.Principal, Client: silent{}}
}

// silent is the way back of calls that nobody listens to.
type silent struct{}

func (silent) Notify(context.Context, string, Raw) error { return nil }

func (silent) Ask(context.Context, map[string]rpc.InputRequest) (map[string]Raw, error) {
	return nil, errors.New("no client to ask")
}

// Event takes in a change at a backend: stale lists are dropped, listeners told.
func (g *Gateway) Event(e subscription.Event) {
	for _, k := range staleKinds(e.Topic.Kind) {
		g.lists[k.member].expire()
	}
	g.hub.Publish(e)
}

func staleKinds(k subscription.Kind) []kind {
	switch k {
	case subscription.Tools:
		return []kind{toolKind}
	case subscription.Prompts:
		return []kind{promptKind}
	case subscription.Resources:
		return []kind{resourceKind, templateKind}
	}
	return nil
}
