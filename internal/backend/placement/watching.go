// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// maxWatched bounds the resources of one server that are watched from all nodes.
const maxWatched = 100_000

// watching knows which nodes have listeners to which resources: instances here
// are subscribed to what anybody listens to. It is safe for concurrent use.
type watching struct {
	self string
	kick chan struct{} // there is something to do for the worker

	mu    sync.Mutex
	by    map[string]map[string]struct{} // URI → nodes
	dirty map[string]struct{}            // to be brought to the instances
}

func newWatching(self string) *watching {
	return &watching{self: self, kick: make(chan struct{}, 1), by: map[string]map[string]struct{}{}, dirty: map[string]struct{}{}}
}

// set notes one node's interest. w.mu is held.
func (w *watching) set(uri, node string, active bool) {
	nodes := w.by[uri]
	if active {
		if nodes == nil {
			if len(w.by) >= maxWatched {
				return
			}
			nodes = map[string]struct{}{}
			w.by[uri] = nodes
		}
		nodes[node] = struct{}{}
	} else {
		delete(nodes, node)
		if len(nodes) == 0 {
			delete(w.by, uri)
		}
	}
	w.dirty[uri] = struct{}{}
}

// here notes this node's interest.
func (w *watching) here(uri string, active bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set(uri, w.self, active)
}

// told takes in what another node watches.
func (w *watching) told(n *notice) {
	if !n.Full && len(n.Watch) == 0 && len(n.Unwatch) == 0 {
		return
	}
	w.mu.Lock()
	if n.Full {
		w.drop(n.Node)
	}
	for _, uri := range n.Watch {
		w.set(uri, n.Node, true)
	}
	for _, uri := range n.Unwatch {
		w.set(uri, n.Node, false)
	}
	w.mu.Unlock()
	w.wake()
}

// left forgets a lost node's interest.
func (w *watching) left(node string) {
	w.mu.Lock()
	w.drop(node)
	w.mu.Unlock()
	w.wake()
}

// drop forgets a node's interest. w.mu is held.
func (w *watching) drop(node string) {
	for uri, nodes := range w.by {
		if _, has := nodes[node]; has {
			w.set(uri, node, false)
		}
	}
}

// again has everything brought to the instances once more.
func (w *watching) again() {
	w.mu.Lock()
	for uri := range w.by {
		w.dirty[uri] = struct{}{}
	}
	w.mu.Unlock()
	w.wake()
}

func (w *watching) wake() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

func (w *watching) of(node string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var uris []string
	for uri, nodes := range w.by {
		if _, has := nodes[node]; has {
			uris = append(uris, uri)
		}
	}
	return uris
}

func (w *watching) wanted(uri string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.by[uri]) > 0
}

// elsewhere reports whether another node has a listener to a resource.
func (w *watching) elsewhere(uri string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	nodes := w.by[uri]
	_, here := nodes[w.self]
	return len(nodes) > 1 || len(nodes) == 1 && !here
}

// take returns what is to be brought to the instances.
func (w *watching) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	uris := make([]string, 0, len(w.dirty))
	for uri := range w.dirty {
		uris = append(uris, uri)
	}
	clear(w.dirty)
	return uris
}

// Watch makes changes of a resource reach the events of this node, at whichever
// node an instance sees them.
func (b *Backend) Watch(ctx context.Context, uri string, active bool) error {
	b.watching.here(uri, active)
	if active {
		b.publish(notice{Watch: []string{uri}})
	} else {
		b.publish(notice{Unwatch: []string{uri}})
	}
	if b.inner.Single() && active {
		if err := b.find(ctx); err != nil {
			return err
		}
	}
	return b.apply(ctx, uri)
}

// apply brings what is wanted of a resource to the instances here.
func (b *Backend) apply(ctx context.Context, uri string) error {
	turn := b.turns[maphash.String(turnSeed, uri)%applying]
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-turn }()
	want := b.watching.wanted(uri)
	if b.inner.Single() && !b.table.holds(b.only()) || !b.news(uri, want) {
		return nil
	}
	return b.inner.Watch(ctx, uri, want)
}

// applying is how many resources are brought to the instances at once: what is
// asked of a server together costs it one request.
const applying = 64

var turnSeed = maphash.MakeSeed()

// news notes what the instances are told of a resource, unless they have been.
func (b *Backend) news(uri string, want bool) bool {
	b.noting.Lock()
	defer b.noting.Unlock()
	_, is := b.applied[uri]
	if want {
		b.applied[uri] = struct{}{}
	} else {
		delete(b.applied, uri)
	}
	return is != want
}

// watchTimeout bounds what is done for one resource.
const watchTimeout = 10 * time.Second

// work brings what other nodes watch to the instances here, until Close.
func (b *Backend) work() {
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-b.watching.kick:
		}
		if b.inner.Single() && len(b.watching.of(b.x.self)) > 0 && b.homeless() {
			b.bounded(b.find)
		}
		b.applyAll(b.watching.take())
	}
}

// applyAll brings resources to the instances here, several at once.
func (b *Backend) applyAll(uris []string) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, applying)
	for _, uri := range uris {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			b.bounded(func(ctx context.Context) error { return b.apply(ctx, uri) })
		})
	}
	wg.Wait()
}

func (b *Backend) bounded(f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(b.ctx, watchTimeout)
	defer cancel()
	if err := f(ctx); err != nil && b.ctx.Err() == nil {
		b.x.cfg.Log.Warn("resource of another node's listeners not watched", "server", b.name, "error", err)
	}
}

// only is the key of a server that has one.
func (b *Backend) only() string { return keyOf(b.name, b.inner.Whose(asking())) }

// homeless reports whether the one instance of all has lost its home.
func (b *Backend) homeless() bool {
	h := b.table.where(b.only())
	return h.node == "" || h.node != b.x.self && !b.x.alive(h.node)
}

// find makes sure that the one instance of all runs somewhere.
func (b *Backend) find(ctx context.Context) error {
	_, err := b.Handle(ctx, asking())
	return err
}

func asking() *rpc.Call {
	return &rpc.Call{Method: mcp.MethodDiscover, Peer: &rpc.Peer{Features: mcp.Latest.Features()}, Client: nobody{}}
}

// nobody is the client of calls that the node makes itself.
type nobody struct{}

func (nobody) Notify(context.Context, string, Raw) error { return nil }

func (nobody) Ask(context.Context, map[string]rpc.InputRequest) (map[string]Raw, error) {
	return nil, errors.New("a call of the node itself has nobody to ask")
}
