// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/gate"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
)

// kindPlaced is the kind of this package's streams.
const kindPlaced = "placed"

// Config bounds an Exchange. Zero fields take the documented defaults.
type Config struct {
	MaxCalls int           // to other nodes at once, and as many from them; default 8192
	MaxBytes int           // of one call or result between nodes; default 64 MiB
	Answer   time.Duration // longest wait for a member to say whether it is a key's home; default 5 s
	Log      *slog.Logger  // nil means slog.Default
}

func (c *Config) defaults() {
	if c.MaxCalls <= 0 {
		c.MaxCalls = 8192
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 64 << 20
	}
	if c.Answer <= 0 {
		c.Answer = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
}

// Exchange is this node's part in the calls between nodes. It is safe for
// concurrent use. There is one per cluster and node. It owns the goroutines that
// the package doc names; Close ends them and waits.
type Exchange struct {
	nodes   nodes.Nodes
	self    string
	cfg     Config
	calling *gate.Gate // calls to other nodes
	serving *gate.Gate // calls of other nodes
	leave   []func()   // ends what the nodes do for it

	ctx    context.Context // ends with the exchange
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	draining bool
	closed   bool
	backends map[string]*Backend
	pinned   map[string]*Backend
}

var errClosed = errors.New("this node is being stopped")

// New returns the exchange of a node, which serves the others from now on.
func New(n nodes.Nodes, cfg Config) *Exchange {
	cfg.defaults()
	self, _ := n.Self()
	x := &Exchange{
		nodes: n, self: self, cfg: cfg, calling: gate.New(cfg.MaxCalls), serving: gate.New(cfg.MaxCalls),
		backends: map[string]*Backend{}, pinned: map[string]*Backend{},
	}
	x.ctx, x.cancel = context.WithCancelCause(context.Background())
	x.leave = append(x.leave, n.Subscribe(topic, x.notice))
	changes, stop := n.Changes()
	before := gaps(x.members())
	x.wg.Go(func() {
		defer stop()
		x.watchMembers(changes, before)
	})
	x.leave = append(x.leave, n.Serve(kindPlaced, x.accept))
	return x
}

// members returns the nodes that can be reached, this one included.
func (x *Exchange) members() []nodes.Member {
	return slices.DeleteFunc(x.nodes.Members(), func(m nodes.Member) bool { return !m.Reachable })
}

// settle is how long a node that gives its homes up still answers those who have
// not heard of it.
const settle = 200 * time.Millisecond

// Drain gives up the homes that are here, so that calls of other nodes look for
// others, and waits for the calls of other nodes under way and for the answers to
// what the instances here have asked. When ctx ends first it returns the cause.
func (x *Exchange) Drain(ctx context.Context) error {
	x.mu.Lock()
	x.draining = true
	x.mu.Unlock()
	for _, b := range x.all() {
		b.publish(notice{Parting: true})
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
	}
	for {
		if err := x.awaitAnswers(ctx); err != nil {
			return fmt.Errorf("wait for answers to questions of servers here: %w", err)
		}
		select {
		case <-x.serving.Idle():
		case <-ctx.Done():
			return fmt.Errorf("wait for the calls of other nodes: %w", context.Cause(ctx))
		}
		if x.openQuestions() == 0 && x.serving.Count() == 0 { // a call may have asked again
			return nil
		}
	}
}

func (x *Exchange) leaving() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.draining
}

// Close refuses calls from other nodes, ends those under way, and waits. The
// backends are closed on their own, before.
func (x *Exchange) Close() {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	for _, leave := range x.leave {
		leave()
	}
	x.cancel(errClosed)
	x.wg.Wait()
}

func (x *Exchange) backend(server string) *Backend {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.backends[server]
}

func (x *Exchange) all() []*Backend {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Collect(maps.Values(x.backends))
}

// alive reports whether a node is there as far as this one knows.
func (x *Exchange) alive(node string) bool {
	return node != "" && x.nodes.Alive(node)
}

// gaps returns the names of members with the gaps of each.
func gaps(members []nodes.Member) map[string]uint64 {
	set := make(map[string]uint64, len(members))
	for _, m := range members {
		set[m.Name] = m.Gaps
	}
	return set
}

// watchMembers tells those who come, or may have missed something, what is here, and
// forgets those who go.
func (x *Exchange) watchMembers(changes <-chan struct{}, before map[string]uint64) {
	for {
		select {
		case <-x.ctx.Done():
			return
		case <-changes:
		}
		now := gaps(x.members())
		joined := false
		for name, n := range now {
			was, known := before[name]
			joined = joined || !known || was != n
		}
		for _, b := range x.all() {
			for name := range before {
				if _, here := now[name]; !here {
					b.watching.left(name)
					b.table.returned(name)
				}
			}
			if joined {
				b.publishAll(false)
			}
		}
		before = now
	}
}

// Backend returns a backend over the one that build makes with the events it is
// given. Changes at any node's instances go to events. It is for servers that are
// processes: a [backend.Shared] one, too, then has one instance in the whole
// cluster. The name is the server's, which the exchange must not have.
func (x *Exchange) Backend(name string, build func(backend.Events) *backend.Remote, events backend.Events) *Backend {
	b := &Backend{
		x: x, name: name, events: events, table: newTable(x.self), watching: newWatching(x.self),
		applied: map[string]struct{}{},
	}
	for i := range b.turns {
		b.turns[i] = make(chan struct{}, 1)
	}
	b.ctx, b.cancel = context.WithCancel(x.ctx)
	b.inner = build(func(e event) { b.event(e) })
	x.mu.Lock()
	x.backends[b.name] = b
	x.mu.Unlock()
	b.wg.Go(b.work)
	b.publishAll(true)
	return b
}
