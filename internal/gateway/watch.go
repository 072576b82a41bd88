// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// watches counts which resources are watched at which server, since several
// gateways may watch the same one.
type watches struct {
	mu sync.Mutex
	by map[watchKey]*watch
}

type watchKey struct {
	source *source
	uri    string
}

type watch struct {
	turn  chan struct{} // held while the server is told
	count int           // gateways that watch; guarded by turn, and read when nobody uses the watch
	using int           // calls under way; guarded by watches.mu
}

// change adds a watcher of a resource or removes one. The server is told of the
// first and of the last.
func (w *watches) change(ctx context.Context, key watchKey, active bool) error {
	w.mu.Lock()
	if w.by == nil {
		w.by = map[watchKey]*watch{}
	}
	one := w.by[key]
	if one == nil {
		one = &watch{turn: make(chan struct{}, 1)}
		w.by[key] = one
	}
	one.using++
	w.mu.Unlock()
	one.turn <- struct{}{} // each holder is bounded by its own context
	err := one.change(ctx, key, active)
	<-one.turn
	w.mu.Lock()
	if one.using--; one.using == 0 && one.count == 0 {
		delete(w.by, key)
	}
	w.mu.Unlock()
	return err
}

func (w *watch) change(ctx context.Context, key watchKey, active bool) error {
	switch {
	case active:
		if w.count++; w.count > 1 {
			return nil
		}
	case w.count == 0:
		return nil
	default:
		if w.count--; w.count > 0 {
			return nil
		}
	}
	return key.source.backend.Watch(ctx, key.uri, active)
}

// Watch starts or stops watching a resource at the server it belongs to. A
// server that cannot be told now is told when it is back.
func (g *Gateway) Watch(ctx context.Context, uri string, active bool) error {
	if !active {
		g.mu.Lock()
		s := g.watched[uri]
		delete(g.watched, uri)
		g.mu.Unlock()
		if s == nil {
			return nil
		}
		return g.catalog.watches.change(ctx, watchKey{s, uri}, false)
	}
	if err := rpc.CheckURI(uri); err != nil {
		return err
	}
	r, ok := g.resource(ctx, uri)
	if !ok {
		return mcp.ResourceNotFound(uri)
	}
	g.mu.Lock()
	before := g.watched[uri]
	g.watched[uri] = r.source
	g.mu.Unlock()
	if before != nil {
		return nil
	}
	return g.catalog.watches.change(ctx, watchKey{r.source, uri}, true)
}
