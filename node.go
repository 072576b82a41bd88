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
	end context.CancelFunc // cuts a start short
	ctx context.Context    // ends with end

	running atomic.Pointer[node.Node] // nil before the first Start, Run or Serve and after Close

	mu     sync.Mutex // guards what follows, and changes of running
	cfg    node.Config
	sealed bool // no more mounts
	closed bool
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
	n := &Node{cfg: settings}
	n.ctx, n.end = context.WithCancel(context.WithoutCancel(ctx))
	return n, nil
}

// Start takes the data directory and starts the configured servers, for
// programs that serve [Node.Handler] themselves; Run does it otherwise. It waits
// for no server: the first lists do so for a second or two, and one that cannot start
// is logged. Once started it does nothing.
func (n *Node) Start(ctx context.Context) error {
	running, err := n.take()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	if err := running.Start(ctx); err != nil {
		n.running.CompareAndSwap(running, nil) // so that another Start may succeed
		return n.unstarted(err)
	}
	return nil
}

// take returns the node that runs, made if there is none, and lets no more
// mounts in.
func (n *Node) take() (*node.Node, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sealed = true
	if n.closed {
		return nil, n.unstarted(ErrClosed)
	}
	running := n.running.Load()
	if running == nil {
		running = node.New(n.cfg)
		n.running.Store(running)
	}
	return running, nil
}

func (n *Node) unstarted(err error) error {
	if errors.Is(err, node.ErrClosed) {
		err = ErrClosed
	}
	return fmt.Errorf("start holdfast: %w", err)
}

// Handler serves /mcp, /servers/NAME/mcp and the paths of the older transports,
// and the probes /livez and /readyz, for an HTTP server of the program's own. It
// may be taken at any time; while the node has not started, or has ended, it
// answers 503.
func (n *Node) Handler() http.Handler { return http.HandlerFunc(n.serveHTTP) }

func (n *Node) serveHTTP(w http.ResponseWriter, r *http.Request) {
	running := n.running.Load()
	if running == nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the server has not started, or has ended", http.StatusServiceUnavailable)
		return
	}
	running.Handler().ServeHTTP(w, r)
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
	node.WarnIfExposed(l.Addr(), n.cfg.Log)
	return n.Serve(ctx, l.Listener)
}

// Serve is [Node.Run] on a listener, which it closes. Connections wait until the
// node has started.
func (n *Node) Serve(ctx context.Context, l net.Listener) error {
	defer l.Close()
	err := n.serve(ctx, l)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) && ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, n.Close())
}

func (n *Node) serve(ctx context.Context, l net.Listener) error {
	if err := n.Start(ctx); err != nil {
		return err
	}
	running := n.running.Load()
	if running == nil {
		return ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)() // Close ends serving too
	return running.Serve(ctx, &node.Listener{Listener: l}, nil)
}

// Close ends calls, streams and servers at once and waits for them. Servers that
// were mounted stay usable elsewhere. It is idempotent.
func (n *Node) Close() error {
	n.end()
	n.mu.Lock()
	n.sealed, n.closed = true, true
	running := n.running.Swap(nil)
	n.mu.Unlock()
	if running == nil {
		return nil
	}
	return running.Close()
}
