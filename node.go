// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package holdfast

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/holdfast-mcp/holdfast/internal/node"
)

// ErrClosed reports the use of a node after its end.
var ErrClosed = errors.New("the node is closed")

// Node is one Holdfast in this program. It is safe for concurrent use.
type Node struct {
	end    context.CancelFunc // cuts a start short
	ctx    context.Context    // ends with end
	turn   chan struct{}      // holds one token: who has it may start or close
	routes atomic.Pointer[http.Handler]

	// by who has the token
	running *node.Node // nil before Start and after Close
	closed  bool

	mu     sync.Mutex
	cfg    node.Config
	sealed bool // no more mounts
}

// Open reads the configuration and returns a node that has not started: mount
// servers, then Run it. Every mistake in the configuration file is in the error.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	settings, err := cfg.settings()
	if err != nil {
		return nil, fmt.Errorf("open holdfast: %w", err)
	}
	n := &Node{cfg: settings, turn: make(chan struct{}, 1)}
	n.ctx, n.end = context.WithCancel(context.WithoutCancel(ctx))
	return n, nil
}

// Start takes the data directory and starts the configured servers, for
// programs that serve [Node.Handler] themselves; Run does it otherwise. It waits
// up to 30 seconds for slow servers, which go on starting; one that cannot start
// is logged and does not fail Start. Once started it does nothing.
func (n *Node) Start(ctx context.Context) error {
	select {
	case n.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-n.turn }()
	switch {
	case n.closed:
		return fmt.Errorf("start holdfast: %w", ErrClosed)
	case n.running != nil:
		return nil
	}
	n.mu.Lock()
	n.sealed = true
	cfg := n.cfg
	n.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	running, err := node.Open(ctx, cfg)
	if err != nil {
		return fmt.Errorf("start holdfast: %w", err)
	}
	n.running = running
	handler := running.Handler()
	n.routes.Store(&handler)
	return nil
}

// Handler serves /mcp, /servers/NAME/mcp and the paths of the older transports,
// for an HTTP server of the program's own. It may be taken at any time; while
// the node has not started, or has ended, it answers 503.
func (n *Node) Handler() http.Handler { return http.HandlerFunc(n.serveHTTP) }

func (n *Node) serveHTTP(w http.ResponseWriter, r *http.Request) {
	routes := n.routes.Load()
	if routes == nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the server has not started, or has ended", http.StatusServiceUnavailable)
		return
	}
	(*routes).ServeHTTP(w, r)
}

// Run starts the node, serves its address until ctx ends, waits up to ten
// seconds for calls in flight, and closes the node. It returns nil when ctx was
// the reason.
func (n *Node) Run(ctx context.Context) error {
	n.mu.Lock()
	addr := n.cfg.File.Listen
	n.mu.Unlock()
	l, err := node.Bind(addr) // first, so that a taken port starts nothing
	if err != nil {
		return errors.Join(err, n.Close())
	}
	return n.Serve(ctx, l.Listener)
}

// Serve is [Node.Run] on a listener, which it closes.
func (n *Node) Serve(ctx context.Context, l net.Listener) error {
	defer l.Close()
	if err := n.Start(ctx); err != nil {
		return errors.Join(err, n.Close())
	}
	err := n.serve(ctx, l)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) && ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, n.Close())
}

func (n *Node) serve(ctx context.Context, l net.Listener) error {
	n.turn <- struct{}{}
	running := n.running
	<-n.turn
	if running == nil {
		return ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)() // Close ends serving too
	return running.Serve(ctx, &node.Listener{Listener: l})
}

// Close ends calls, streams and servers at once and waits for them. Servers that
// were mounted stay usable elsewhere. It is idempotent.
func (n *Node) Close() error {
	n.mu.Lock()
	n.sealed = true
	n.mu.Unlock()
	n.end()
	n.turn <- struct{}{}
	defer func() { <-n.turn }()
	n.closed = true
	n.routes.Store(nil)
	if n.running == nil {
		return nil
	}
	running := n.running
	n.running = nil
	return running.Close()
}
