// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Bounds of what waits for other nodes.
const (
	cancelWait   = time.Second            // for a message to reach all
	settleWait   = 250 * time.Millisecond // for the others to see a change
	takeOverWait = time.Second            // for a GET stream to move
	readWait     = 5 * time.Second        // for stores, off a request's path
)

// kindSession is the kind of the streams between nodes about a session. Each begins
// with a message: a letter, the session, and what the letter says. Of one to follow a
// call's stream events come back, of all others one answer.
const kindSession = "session"

const (
	tellMessage = 'm' // a response or notification from the client
	tellAside   = 'a' // a message for the GET stream
	tellChanged = 'r' // the record has this revision now
	tellGiveWay = 'g' // the GET stream goes elsewhere; an event id, or nothing
	tellFollow  = 'f' // what follows an event of a call's stream is wanted; its id
)

// Answers where yes and no are all there is to say.
var yes, no = []byte{1}, []byte{0}

// peering is a Protocol's part among its peers. It owns what it starts, on the
// Protocol's crew: the refresh after changes of records, copies of events, and
// streams followed on other nodes; close ends them and waits. A nil peering is a
// node without peers.
type peering struct {
	p       *Protocol
	to      nodes.Nodes
	address nodes.Digest
	feed    session.Feed
	ctx     context.Context // of what is started here
	cancel  context.CancelFunc
	stop    []func()      // first of all
	late    chan struct{} // closed when a drain has run out of time
	hurried sync.Once

	mu         sync.Mutex
	closed     bool
	refreshing bool
	changed    map[session.ID]struct{}        // to be refreshed; live sessions only
	waiters    map[session.ID][]chan struct{} // for a change
	wg         sync.WaitGroup                 // Add under mu

	collected map[uint64]struct{} // messages of the mailbox that have been taken; of collect
}

func (p *Protocol) joinPeers() *peering {
	if p.cfg.Nodes == nil {
		return nil
	}
	feed, ok := p.store.(session.Feed)
	if !ok {
		panic("legacy: other nodes need a session store with a feed")
	}
	g := &peering{
		p: p, to: p.cfg.Nodes, address: nodes.DigestOf(p.cfg.Nodes.Self()), feed: feed,
		changed: map[session.ID]struct{}{}, waiters: map[session.ID][]chan struct{}{}, collected: map[uint64]struct{}{}, late: make(chan struct{}),
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

// start begins to hear of changes and to serve the others.
func (g *peering) start() {
	if g != nil {
		g.stop = append(g.stop, g.feed.Watch(g.heard), g.to.Serve(kindSession, g.accept))
		g.run(g.collect)
	}
}

// hurry ends what waits for better times. It is idempotent.
func (g *peering) hurry() {
	if g != nil {
		g.hurried.Do(func() { close(g.late) })
	}
}

// close ends everything and waits for it. It is idempotent.
func (g *peering) close() {
	if g == nil {
		return
	}
	for _, stop := range g.stop {
		stop()
	}
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.cancel()
	g.wg.Wait()
}

// run runs f on a goroutine; false when everything is closed.
func (g *peering) run(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.runLocked(f)
}

func (g *peering) runLocked(f func()) bool {
	if g.closed {
		return false
	}
	g.wg.Add(1)
	g.p.crew.Go(func() {
		defer g.wg.Done()
		f()
	})
	return true
}

// others returns the names of the nodes that can be reached.
func (g *peering) others() []string {
	members := g.to.Members()
	names := make([]string, 0, len(members))
	for _, m := range members {
		if m.Reachable && !m.Self {
			names = append(names, m.Name)
		}
	}
	return names
}

// node returns the name of the node with an address, or "" when it cannot be reached.
func (g *peering) node(address nodes.Digest) string {
	for _, name := range g.others() {
		if address.OfNode(name) {
			return name
		}
	}
	return ""
}

// lost reports whether an error of a request or stream means that the node's
// live things are gone.
func (g *peering) lost(node string, err error) bool {
	return errors.Is(err, nodes.ErrLost) || !slices.Contains(g.others(), node)
}

func message(kind byte, id session.ID, rest []byte) []byte {
	return append(append(append(make([]byte, 0, 1+len(id)+len(rest)), kind), id[:]...), rest...)
}

// tellAll sends a message to all other nodes at once and hands over each answer,
// one at a time. Who does not answer in time is left out.
func (g *peering) tellAll(ctx context.Context, wait time.Duration, msg []byte, take func(node string, answer []byte)) {
	others := g.others()
	if len(others) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, node := range others {
		wg.Go(func() { // this function waits for it
			answer, err := g.tell(ctx, node, "", msg)
			if err != nil {
				g.p.cfg.Log.Debug("node not reached", "node", node, "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			take(node, answer)
		})
	}
	wg.Wait()
}

func ignore(string, []byte) {}

// tell sends a message to a node, or to one instance of it, and returns the answer.
func (g *peering) tell(ctx context.Context, node, instance string, msg []byte) ([]byte, error) {
	return g.to.Ask(ctx, nodes.Address{Node: node, Instance: instance, Kind: kindSession}, msg)
}

// aside brings a message to the session's GET stream on another node.
func (g *peering) aside(id session.ID, msg []byte) {
	if g != nil {
		g.tellAll(g.ctx, cancelWait, message(tellAside, id, msg), ignore)
	}
}

// settle waits a little until the other nodes have seen a change, so that the
// client's next request finds it wherever it goes.
func (g *peering) settle(ctx context.Context, id session.ID, revision uint64) {
	if g != nil {
		g.tellAll(ctx, settleWait, message(tellChanged, id, binary.BigEndian.AppendUint64(nil, revision)), ignore)
	}
}

var errMessage = errors.New("not a message of this protocol")

// accept serves what another node wants of a session.
func (g *peering) accept(ctx context.Context, s nodes.Stream) {
	msg, err := s.Receive(ctx)
	if err == nil && len(msg) > 0 && msg[0] == tellFollow {
		g.serveFollow(ctx, s, msg[1:])
		return
	}
	var answer []byte
	if err == nil {
		answer, err = g.answer(ctx, msg)
	}
	if err == nil {
		err = s.Send(ctx, answer)
	}
	if err != nil {
		s.Close(err)
	}
}

// answer answers another node.
func (g *peering) answer(ctx context.Context, msg []byte) ([]byte, error) {
	var id session.ID
	if len(msg) < 1+len(id) {
		return nil, errMessage
	}
	copy(id[:], msg[1:])
	rest := msg[1+len(id):]
	switch msg[0] {
	case tellChanged:
		if len(rest) != 8 {
			return nil, errMessage
		}
		return yes, g.await(ctx, id, binary.BigEndian.Uint64(rest))
	case tellMessage, tellAside, tellGiveWay:
	default:
		return nil, errMessage
	}
	l := g.p.cfg.Sessions.Find(id)
	if l == nil {
		return no, nil
	}
	defer g.p.cfg.Sessions.Release(l)
	h := homeOf(g.p, l)
	switch msg[0] {
	case tellGiveWay:
		return h.handOver(l, string(rest))
	case tellAside:
		return truth(h.aside(rest)), nil
	}
	m, err := jsonrpc.Decode(rest, jsonrpc.Limits{}) // the other node has held it against its limits
	if err != nil {
		return nil, fmt.Errorf("decode a client's message: %w", err)
	}
	return truth(h.take(g.p, engine.NewInbound(m))), nil
}

func truth(b bool) []byte {
	if b {
		return yes
	}
	return no
}

// heard notes a change of a record. It is called for every change of any session.
func (g *peering) heard(id session.ID) {
	live := g.p.cfg.Sessions.Has(id)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range g.waiters[id] {
		close(w)
	}
	delete(g.waiters, id)
	if !live {
		return
	}
	g.changed[id] = struct{}{}
	if !g.refreshing {
		g.refreshing = g.runLocked(g.refreshAll)
	}
}

// refreshAll brings what is live up to the records that have changed.
func (g *peering) refreshAll() {
	for {
		g.mu.Lock()
		var next session.ID
		g.refreshing = len(g.changed) > 0 && !g.closed
		for id := range g.changed {
			next = id
			break
		}
		delete(g.changed, next)
		again := g.refreshing
		g.mu.Unlock()
		if !again {
			return
		}
		g.refresh(next)
	}
}

func (g *peering) refresh(id session.ID) {
	l := g.p.cfg.Sessions.Find(id)
	if l == nil {
		return
	}
	defer g.p.cfg.Sessions.Release(l)
	ctx, cancel := context.WithTimeout(g.ctx, readWait)
	defer cancel()
	record, err := g.p.store.Get(ctx, id)
	switch {
	case errors.Is(err, session.ErrNotFound):
	case err != nil:
		g.p.cfg.Log.Warn("session record not read after a change", "session", id.String(), "error", err)
	case record.Ended:
		homeOf(g.p, l).finish()
	default:
		homeOf(g.p, l).heed(record)
	}
}

// await waits until this node can read a record of at least the given revision
// and has brought what is live up to it.
func (g *peering) await(ctx context.Context, id session.ID, revision uint64) error {
	for {
		change := make(chan struct{})
		g.mu.Lock()
		g.waiters[id] = append(g.waiters[id], change)
		g.mu.Unlock()
		record, err := g.p.store.Get(ctx, id)
		if err == nil && record.Revision >= revision {
			g.forgo(id, change)
			g.refresh(id)
			if record.Ended {
				g.p.cfg.Ended(id.String())
			}
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			g.forgo(id, change)
			return context.Cause(ctx)
		case <-g.ctx.Done():
			g.forgo(id, change)
			return context.Canceled
		}
	}
}

// forgo ends a wait.
func (g *peering) forgo(id session.ID, change chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	left := slices.DeleteFunc(g.waiters[id], func(c chan struct{}) bool { return c == change })
	if len(left) == 0 {
		delete(g.waiters, id)
		return
	}
	g.waiters[id] = left
}
