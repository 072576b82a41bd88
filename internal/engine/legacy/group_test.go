// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/engine/legacy"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// group is several nodes in one process: what they share, and what goes between
// them. What one writes the others see after lag.
type group struct {
	records *session.Memory
	archive *archive
	lag     time.Duration

	mu      sync.Mutex
	members map[string]*node
	noWrite bool
	kept    map[string]map[uint64][]byte // messages left for addresses
}

func newGroup() *group {
	return &group{records: session.NewMemory(0), archive: &archive{streams: map[string][]session.Entry{}}, members: map[string]*node{}, kept: map[string]map[uint64][]byte{}}
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

// node is one member: its view of the records and its legacy.Peers.
type node struct {
	g        *group
	name     string
	instance string
	life     context.Context
	die      context.CancelFunc

	protocol *legacy.Protocol
	engine   *engine.Engine

	mu       sync.Mutex
	hung     bool // takes messages and does not answer
	apart    bool // reaches nobody, as it may be cut off
	silent   bool // the others do not hear of it
	cache    map[session.ID]*session.Record
	watchers map[int]func(session.ID)
	watches  int
	request  func(context.Context, []byte) ([]byte, error)
	stream   func(context.Context, legacy.PeerStream)
}

var (
	_ legacy.Peers = (*node)(nil)
	_ session.Feed = (*node)(nil)
)

// start adds a node to the group.
func (g *group) start(name string, cfg legacy.Config, sessions session.Config) *node {
	n := &node{g: g, name: name, instance: rand.Text(), cache: map[session.ID]*session.Record{}, watchers: map[int]func(session.ID){}}
	n.life, n.die = context.WithCancel(context.Background())
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
	cfg.Sessions, cfg.Peers = session.NewRegistry(sessions), n
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

func (n *node) Self() (node, instance string) { return n.name, n.instance }

func (n *node) Nodes() []legacy.Node {
	n.g.mu.Lock()
	defer n.g.mu.Unlock()
	var nodes []legacy.Node
	apart := n.isApart()
	for name, m := range n.g.members {
		if name != n.name {
			nodes = append(nodes, legacy.Node{Name: name, Instance: m.instance, Reachable: m.life.Err() == nil && !apart && !m.paused()})
		}
	}
	slices.SortFunc(nodes, func(a, b legacy.Node) int { return strings.Compare(a.Name, b.Name) })
	return nodes
}

func (n *node) paused() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.silent
}

// Keep implements legacy.Peers: a node that is cut off has no majority.
func (n *node) Keep(_ context.Context, address string, message []byte) error {
	if err := n.g.writable(n); err != nil || n.isApart() {
		return errQuorum
	}
	n.g.mu.Lock()
	defer n.g.mu.Unlock()
	if n.g.kept[address] == nil {
		n.g.kept[address] = map[uint64][]byte{}
	}
	n.g.kept[address][uint64(len(n.g.kept[address]))] = slices.Clone(message)
	return nil
}

func (n *node) Collect(_ context.Context, address string) (map[uint64][]byte, error) {
	if n.isApart() || n.paused() {
		return nil, errQuorum
	}
	n.g.mu.Lock()
	defer n.g.mu.Unlock()
	return maps.Clone(n.g.kept[address]), nil
}

func (n *node) isApart() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.apart
}

func (n *node) Archive() session.Archive { return &nodeArchive{n} }

func (n *node) Serve(request func(context.Context, []byte) ([]byte, error), stream func(context.Context, legacy.PeerStream)) func() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.request, n.stream = request, stream
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.request, n.stream = nil, nil
	}
}

// reach returns another node.
func (n *node) reach(name string) (*node, error) {
	n.g.mu.Lock()
	other := n.g.members[name]
	n.g.mu.Unlock()
	if other == nil || other.life.Err() != nil || n.life.Err() != nil || n.isApart() || other.paused() {
		return nil, legacy.ErrNodeLost
	}
	return other, nil
}

func (n *node) Request(ctx context.Context, name string, message []byte) ([]byte, error) {
	other, err := n.reach(name)
	if err != nil {
		return nil, err
	}
	other.mu.Lock()
	handle, hung := other.request, other.hung
	other.mu.Unlock()
	if handle == nil {
		return nil, errors.New("no handler")
	}
	type result struct {
		answer []byte
		err    error
	}
	done := make(chan result, 1)
	if !hung {
		message = slices.Clone(message)
		go func() {
			answer, err := handle(ctx, message)
			done <- result{slices.Clone(answer), err}
		}()
	}
	select {
	case r := <-done:
		return r.answer, r.err
	case <-other.life.Done():
		return nil, legacy.ErrNodeLost
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (n *node) Open(ctx context.Context, name string) (legacy.PeerStream, error) {
	other, err := n.reach(name)
	if err != nil {
		return nil, err
	}
	other.mu.Lock()
	serve, hung := other.stream, other.hung
	other.mu.Unlock()
	if hung {
		select {
		case <-other.life.Done():
			return nil, legacy.ErrNodeLost
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if serve == nil {
		return nil, errors.New("no handler")
	}
	pipe := &peerPipe{done: make(chan struct{}), changed: make(chan struct{})}
	here, there := &peerEnd{p: pipe, side: 0}, &peerEnd{p: pipe, side: 1}
	stops := []func() bool{
		context.AfterFunc(other.life, func() { pipe.end(legacy.ErrNodeLost) }),
		context.AfterFunc(n.life, func() { pipe.end(legacy.ErrNodeLost) }),
	}
	go func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		serve(ctx, there)
		there.Close(nil)
		for _, stop := range stops {
			stop()
		}
	}()
	return here, nil
}

// peerPipe is a stream between two nodes; peerEnd is one end of it.
type peerPipe struct {
	mu      sync.Mutex
	queue   [2][][]byte // for each side
	err     error
	done    chan struct{}
	changed chan struct{}
}

func (p *peerPipe) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
		close(p.done)
		close(p.changed)
	}
}

type peerEnd struct {
	p    *peerPipe
	side int
}

func (e *peerEnd) Send(_ context.Context, message []byte) error {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	if e.p.err != nil {
		return e.p.err
	}
	e.p.queue[1-e.side] = append(e.p.queue[1-e.side], slices.Clone(message))
	close(e.p.changed)
	e.p.changed = make(chan struct{})
	return nil
}

func (e *peerEnd) Receive(ctx context.Context) ([]byte, error) {
	for {
		e.p.mu.Lock()
		if q := e.p.queue[e.side]; len(q) > 0 {
			e.p.queue[e.side] = q[1:]
			e.p.mu.Unlock()
			return q[0], nil
		}
		err, changed := e.p.err, e.p.changed
		e.p.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (e *peerEnd) Close(reason error) {
	if reason == nil {
		reason = io.EOF
	}
	e.p.end(reason)
}

func (e *peerEnd) Done() <-chan struct{} { return e.p.done }

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
