// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/hex"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// CatalogConfig bounds a catalog. Zero fields take the documented defaults.
type CatalogConfig struct {
	Info    mcp.Implementation // what the gateway calls itself
	Servers map[string]Server  // what is taken of each server, by its name; one that is not named is taken whole
	// ListTimeout is how long the first view of a list waits for a server; one
	// that takes longer is unavailable until it answers. Default 20 s.
	ListTimeout time.Duration
	// Enough is how long the first view waits for the rest once it has entries of one
	// server. Default ListTimeout.
	Enough time.Duration
	// AnswerTimeout is how long a server may take to answer with a list, while it is
	// not starting. Default 30 s.
	AnswerTimeout time.Duration
	// Fresh is how old an answer may be: a list that is read later is asked for
	// again in the background, besides on list_changed. Default 30 s.
	Fresh time.Duration
	// Window is the least time between two announcements of a list's change, and
	// between two questions for one list. Default 100 ms.
	Window     time.Duration
	MaxEntries int // of one server's list; default 10,000
	MaxBytes   int // of one server's list; default 16 MiB
	Log        *slog.Logger
}

func (cfg CatalogConfig) withDefaults() CatalogConfig {
	setDefault(&cfg.ListTimeout, 20*time.Second)
	setDefault(&cfg.Enough, cfg.ListTimeout)
	setDefault(&cfg.AnswerTimeout, 30*time.Second)
	setDefault(&cfg.Fresh, 30*time.Second)
	setDefault(&cfg.Window, 100*time.Millisecond)
	setDefault(&cfg.MaxEntries, 10_000)
	setDefault(&cfg.MaxBytes, 16<<20)
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return cfg
}

func setDefault[T int | time.Duration](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}

// Catalog is what all servers offer, asked for in the background and published
// as one immutable revision after another. It is safe for concurrent use.
//
// It owns the goroutines that ask and merge, at most one per list of a server
// and one that merges; they stop when Close is called, which waits for them.
type Catalog struct {
	cfg     CatalogConfig
	peer    *rpc.Peer // of the catalog's own calls
	sources []*source // in the order of the configuration; not changed after NewCatalog
	byName  map[string]*source
	watches watches

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	revision atomic.Pointer[revision]
	reported chan struct{} // has a token when a server's health has changed

	mu       sync.Mutex
	closed   bool
	views    []*Gateway
	merging  bool // a goroutine is merging
	outdated bool // and has to begin again
}

// source is one server as the catalog sees it.
type source struct {
	index   int
	name    string
	prefix  string // of its tools and prompts on common endpoints
	backend backend.Backend
	final   bool // it is down for good
	pick    Server
	filters *selections
	asked   [numParts]atomic.Int64 // when the last answer or failure came, Unix nanoseconds

	parts [numParts]asking // guarded by Catalog.mu

	health health
}

// NewCatalog returns a catalog of backends, whose order decides conflicts and
// the order of entries. It asks nobody before it is needed. Close it.
func NewCatalog(cfg CatalogConfig, backends []backend.Backend) *Catalog {
	c := &Catalog{cfg: cfg.withDefaults(), byName: map[string]*source{}, reported: make(chan struct{}, 1)}
	c.peer = &rpc.Peer{Features: mcp.Latest.Features(), Client: cfg.Info}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	for i, b := range backends {
		s := &source{index: i, name: b.Name(), prefix: sanitize(b.Name()) + separator, backend: b, final: b.Status().Final, pick: cfg.Servers[b.Name()]}
		s.filters = newSelections(&s.pick)
		s.health.now = Health{Name: s.name, State: Starting, Since: time.Now()}
		c.sources = append(c.sources, s)
		c.byName[s.name] = s
	}
	warnOfNames(c.sources, c.cfg.Log)
	c.revision.Store(newRevision(nil, c.sources, make([]state, len(c.sources)), c.cfg.Log))
	return c
}

// Close stops asking and waits for what is on the way. The views stay readable.
func (c *Catalog) Close() {
	c.mu.Lock()
	c.closed = true
	for _, s := range c.sources {
		for p := range s.parts {
			s.parts[p].stopRetry()
		}
	}
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
}

// spawn runs f on a goroutine of the catalog, unless it is closed.
func (c *Catalog) spawn(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.wg.Go(f)
	}
}

// Digest identifies what the catalog holds now: equal content, whatever the
// order in which servers list it, has the same digest.
func (c *Catalog) Digest() string {
	d := c.revision.Load().digest
	return hex.EncodeToString(d[:])
}

// Warm asks every server for everything and waits, as a first view would: until
// all have answered or failed, the list timeout is over, or ctx ends.
func (c *Catalog) Warm(ctx context.Context) {
	for p := range part(numParts) {
		c.demand(c.sources, p)
	}
	for {
		r := c.revision.Load()
		if r.settled() {
			return
		}
		select {
		case <-r.superseded:
		case <-ctx.Done():
			return
		case <-c.ctx.Done():
			return
		}
	}
}

// Event takes in a change at a server. Changes of lists update the catalog
// first and reach listeners when the lists they see have changed; changes of
// watched resources pass at once.
func (c *Catalog) Event(server string, e subscription.Event) {
	s := c.byName[server]
	if s == nil {
		return
	}
	concerns := false
	for p := range lists {
		if lists[p].topic == e.Topic.Kind {
			c.changed(s, part(p))
			concerns = true
		}
	}
	if concerns {
		return
	}
	c.mu.Lock()
	views := c.views
	c.mu.Unlock()
	for _, g := range views {
		g.pass(s, e)
	}
}

// Release tells all servers that a legacy session has ended.
func (c *Catalog) Release(session string) {
	for _, s := range c.sources {
		s.backend.Release(session)
	}
}

// add makes g a view of the catalog.
func (c *Catalog) add(g *Gateway) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.views = append(c.views[:len(c.views):len(c.views)], g)
	c.mergeLocked()
}

// mergeLocked sees to it that what is known becomes the next revision. It is
// called with the lock held.
func (c *Catalog) mergeLocked() {
	c.outdated = true
	if !c.merging && !c.closed {
		c.merging = true
		c.wg.Go(c.merge)
	}
}

// merge publishes revisions until the newest has all that is known.
func (c *Catalog) merge() {
	for {
		c.mu.Lock()
		if !c.outdated || c.closed {
			c.merging = false
			c.mu.Unlock()
			return
		}
		c.outdated = false
		states, views := make([]state, len(c.sources)), c.views
		for i, s := range c.sources {
			for p := range s.parts {
				states[i][p] = s.parts[p].known
			}
		}
		c.mu.Unlock()
		old := c.revision.Load()
		next := newRevision(old, c.sources, states, c.cfg.Log)
		for _, g := range views {
			g.adopt(next)
		}
		c.revision.Store(next) // whoever waits for it finds it in the views
		close(old.superseded)
	}
}

// Tool returns the entry of a tool as the catalog shows it, by the server's own
// name for it, or nil when the server has not listed it.
func (c *Catalog) Tool(server, own string) Raw {
	r := c.revision.Load()
	for _, s := range c.sources {
		if s.name != server || r == nil || r.states[s.index][toolList].shelf == nil {
			continue
		}
		for _, e := range r.states[s.index][toolList].shelf.entries {
			if e.own == own {
				return e.item
			}
		}
	}
	return nil
}
