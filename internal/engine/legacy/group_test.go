// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/engine/legacy"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/nodes/nodestest"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// group is several nodes in one process: what they share, and what goes between
// them. What one writes the others see after lag.
type group struct {
	net     *nodestest.Network
	records *session.Memory
	archive *archive
	lag     time.Duration

	mu      sync.Mutex
	members map[string]*node
	noWrite bool
}

func newGroup() *group {
	return &group{
		net: nodestest.New(), records: session.NewMemory(0), archive: &archive{streams: map[string][]session.Entry{}}, members: map[string]*node{},
	}
}

func (g *group) quorum(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.noWrite = !on
}

var errQuorum = errors.New("no majority")

// writable returns an error when the node's writes are not acknowledged.
func (g *group) writable(n *node) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.noWrite || n.life.Err() != nil {
		return errQuorum
	}
	return nil
}

// node is one member: its view of the records, and of the other nodes.
type node struct {
	*nodestest.Node
	g    *group
	name string
	life context.Context
	end  context.CancelFunc

	protocol *legacy.Protocol
	engine   *engine.Engine

	mu       sync.Mutex
	cache    map[session.ID]*session.Record
	watchers map[int]func(session.ID)
	watches  int
}

var (
	_ nodes.Nodes  = (*node)(nil)
	_ session.Feed = (*node)(nil)
)

// start adds a node to the group.
func (g *group) start(name string, cfg legacy.Config, sessions session.Config) *node {
	n := &node{Node: g.net.Start(name), g: g, name: name, cache: map[session.ID]*session.Record{}, watchers: map[int]func(session.ID){}}
	n.life, n.end = context.WithCancel(context.Background())
	g.mu.Lock()
	for _, other := range g.members {
		other.mu.Lock()
		for id, r := range other.cache {
			n.cache[id] = r
		}
		other.mu.Unlock()
	}
	g.members[name] = n
	g.mu.Unlock()
	sessions.Store = n
	cfg.Sessions, cfg.Nodes = session.NewRegistry(sessions), n
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Handler == nil {
		cfg.Handler = rpc.HandlerFunc(fixture)
	}
	n.protocol = legacy.New(cfg)
	n.engine = engine.New(jsonrpc.DefaultLimits(), cfg.Log, n.protocol)
	return n
}

// Keep implements nodes.Nodes: a node whose writes are not acknowledged keeps nothing.
func (n *node) Keep(ctx context.Context, mailbox string, message []byte) error {
	if err := n.g.writable(n); err != nil {
		return err
	}
	return n.Node.Keep(ctx, mailbox, message)
}

// die ends the node as a crash does.
func (n *node) die() {
	n.end()
	n.Stop()
}

func (n *node) set(change func(s *nodestest.State)) { n.g.net.Set(n.name, change) }

func (n *node) Archive() session.Archive { return &nodeArchive{n} }

// Get implements session.Store over what this node has seen.
func (n *node) Get(_ context.Context, id session.ID) (*session.Record, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r := n.cache[id]; r != nil && time.Now().Before(r.Expires) {
		return r, nil
	}
	return nil, session.ErrNotFound
}

// Put implements session.Store.
func (n *node) Put(ctx context.Context, id session.ID, r session.Record) (uint64, error) {
	if err := n.g.writable(n); err != nil {
		return 0, err
	}
	revision, err := n.g.records.Put(ctx, id, r)
	if errors.Is(err, session.ErrConflict) {
		if now, err := n.g.records.Get(ctx, id); err == nil {
			n.see(id, now)
		}
	}
	if err != nil {
		return 0, err
	}
	r.Revision = revision
	n.see(id, &r)
	n.g.mu.Lock()
	defer n.g.mu.Unlock()
	for _, other := range n.g.members {
		if other != n && n.g.lag > 0 {
			time.AfterFunc(n.g.lag, func() { other.see(id, &r) })
		} else if other != n {
			go other.see(id, &r)
		}
	}
	return revision, nil
}

func (n *node) see(id session.ID, r *session.Record) {
	n.mu.Lock()
	if known := n.cache[id]; n.life.Err() != nil || known != nil && known.Revision >= r.Revision {
		n.mu.Unlock()
		return
	}
	n.cache[id] = r
	var watchers []func(session.ID)
	for _, w := range n.watchers {
		watchers = append(watchers, w)
	}
	n.mu.Unlock()
	for _, w := range watchers {
		w(id)
	}
}

// Watch implements session.Feed.
func (n *node) Watch(changed func(session.ID)) func() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watches++
	at := n.watches
	n.watchers[at] = changed
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.watchers, at)
	}
}

// archive is a session.Archive in memory.
type archive struct {
	mu      sync.Mutex
	streams map[string][]session.Entry
	appends int
}

type nodeArchive struct{ n *node }

func (a *nodeArchive) Append(_ context.Context, stream string, entries ...session.Entry) error {
	if err := a.n.g.writable(a.n); err != nil {
		return err
	}
	s := a.n.g.archive
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		s.appends++
		same := func(k session.Entry) bool { return k.Seq == e.Seq }
		if !slices.ContainsFunc(s.streams[stream], same) {
			e.Data = slices.Clone(e.Data)
			s.streams[stream] = append(s.streams[stream], e)
		}
	}
	return nil
}

func (a *nodeArchive) Read(_ context.Context, stream string, after uint64) (session.Tail, error) {
	s := a.n.g.archive
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := slices.Clone(s.streams[stream])
	if len(kept) == 0 {
		return session.Tail{}, session.ErrUnknownStream
	}
	slices.SortFunc(kept, func(a, b session.Entry) int { return int(a.Seq) - int(b.Seq) })
	last := kept[len(kept)-1]
	t := session.Tail{Newest: last.Seq, Done: last.Last}
	from := len(kept)
	for from > 0 && kept[from-1].Seq > after && (from == len(kept) || kept[from-1].Seq+1 == kept[from].Seq) {
		from--
	}
	if t.Entries = kept[from:]; len(t.Entries) > 0 {
		t.Lost = t.Entries[0].Seq - after - 1
	}
	return t, nil
}

// written returns how many events have been archived.
func (g *group) written() int {
	g.archive.mu.Lock()
	defer g.archive.mu.Unlock()
	return g.archive.appends
}

// The player's part.

func (p *player) startNodes(names []string) {
	p.group, p.nodes = newGroup(), map[string]*node{}
	for _, name := range names {
		p.startNode(name)
	}
	p.at(names[0])
}

func (p *player) startNode(name string) {
	p.nodes[name] = p.group.start(name, legacy.Config{Ring: p.ring, Hub: p.hub, Tasks: p.tasks, Limits: p.limits}, p.sessions)
}

func (p *player) at(name string) {
	if p.node == "" {
		p.drainNow(p.protocol)
	}
	p.node, p.protocol, p.engine = name, p.nodes[name].protocol, p.nodes[name].engine
}

// kill ends a node as a crash does.
func (p *player) kill(name string) {
	p.nodes[name].die()
	synctest.Wait() // its streams are cut before it says anything more
	for _, x := range p.exchanges {
		if x.node == name {
			x.leave()
		}
	}
	p.drainNow(p.nodes[name].protocol)
	for _, x := range p.exchanges {
		if x.node == name {
			x.take()
		}
	}
}

func (p *player) stopNodes() {
	for name, n := range p.nodes {
		if name != p.node {
			p.drainNow(n.protocol)
		}
	}
}
