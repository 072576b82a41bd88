// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package nodestest is [nodes.Nodes] in memory, for tests with several nodes in
// one process, which can die, hang or be cut off; and the suite that every
// implementation passes.
//
// A Network owns a goroutine per accepted stream, which ends when its stream does
// and its handler returns, and one per node while that has something published to
// deliver.
package nodestest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
)

// Network connects nodes. It is safe for concurrent use.
type Network struct {
	mu      sync.Mutex
	nodes   map[string]*Node // the latest instance of each
	starts  int
	watches map[chan struct{}]struct{}
	kept    map[string]map[uint64][]byte // by mailbox
}

// New returns a network without nodes.
func New() *Network {
	return &Network{nodes: map[string]*Node{}, watches: map[chan struct{}]struct{}{}, kept: map[string]map[uint64][]byte{}}
}

// Node is one instance of a node. It is a [nodes.Nodes].
type Node struct {
	net            *Network
	name, instance string
	wg             sync.WaitGroup

	// Guarded by net.mu.
	dead    bool
	state   State
	unheard map[string]bool // nodes that this one has not heard of
	gaps    map[string]uint64
	accept  map[string]func(context.Context, nodes.Stream)
	streams map[*end]struct{}
	takers  map[string]map[int]func([]byte) // by topic
	last    int
	post    []published
	posting bool
}

// State is what is wrong with a node.
type State struct {
	Cut     bool // the others take it for lost; it takes them for there, yet reaches nobody
	Apart   bool // it hears nobody and has no majority, as it may be cut off
	Silent  bool // the others do not hear of it, and do not know whether it is lost
	Hung    bool // it takes what is sent, and does nothing
	Barred  bool // others hear it, and yet streams to it fail here and there
	Deaf    bool // what is published does not reach it
	Unready bool // it takes nothing new
	Side    int  // of a network that is cut in two when they differ
}

type published struct {
	topic   string
	payload []byte
}

var _ nodes.Nodes = (*Node)(nil)

// Start starts a node that has not heard of some others, or a new instance of one
// that was there, which is stopped.
func (n *Network) Start(name string, unheard ...string) *Node {
	n.mu.Lock()
	old := n.nodes[name]
	n.starts++
	node := &Node{
		net: n, name: name, instance: fmt.Sprintf("i%d", n.starts), unheard: map[string]bool{}, gaps: map[string]uint64{},
		accept: map[string]func(context.Context, nodes.Stream){}, streams: map[*end]struct{}{}, takers: map[string]map[int]func([]byte){},
	}
	for _, other := range unheard {
		node.unheard[other] = true
	}
	n.nodes[name] = node
	n.mu.Unlock()
	if old != nil {
		old.Stop()
	}
	n.tell()
	return node
}

// Set changes what is wrong with a node.
func (n *Network) Set(name string, change func(s *State)) {
	n.mu.Lock()
	node := n.nodes[name]
	was := node.state
	change(&node.state)
	now := node.state
	if was.Deaf && !now.Deaf { // what it has missed all know
		for _, other := range n.nodes {
			if other != node {
				other.gaps[name]++
				node.gaps[other.name]++
			}
		}
	}
	n.mu.Unlock()
	if now.Cut && !was.Cut {
		node.sever()
	}
	n.tell()
}

// Cut separates a node from the others, to whom it counts as lost: it died or
// hangs. The node itself takes the others for there, yet reaches nobody.
func (n *Network) Cut(name string) { n.Set(name, func(s *State) { s.Cut = true }) }

// Heal undoes Cut.
func (n *Network) Heal(name string) { n.Set(name, func(s *State) { s.Cut = false }) }

// Stop ends a node's process: its streams end, and it is lost.
func (d *Node) Stop() {
	d.net.mu.Lock()
	d.dead = true
	d.net.mu.Unlock()
	d.sever()
	d.net.tell()
}

// Wait waits until what serves the node's streams, and takes what is published, has
// returned.
func (d *Node) Wait() { d.wg.Wait() }

// sever ends all streams of a node.
func (d *Node) sever() {
	d.net.mu.Lock()
	ends := make([]*end, 0, len(d.streams))
	for e := range d.streams {
		ends = append(ends, e)
	}
	d.net.mu.Unlock()
	for _, e := range ends {
		e.pipe.end(&nodes.LostError{Node: d.name, Sent: true})
	}
}

func (n *Network) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for w := range n.watches {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// Name returns the node's name.
func (d *Node) Name() string { return d.name }

// Self implements [nodes.Nodes].
func (d *Node) Self() (string, string) { return d.name, d.instance }

// Scope implements [nodes.Nodes].
func (d *Node) Scope() string { return "" }

// hears reports whether a node takes another for alive. d.net.mu is held.
func (d *Node) hears(other *Node) bool {
	if other == d {
		return true
	}
	s := other.state
	return !other.dead && !s.Cut && !s.Silent && s.Side == d.state.Side && !d.state.Apart && !d.unheard[other.name]
}

// Members implements [nodes.Nodes].
func (d *Node) Members() []nodes.Member {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	all := make([]nodes.Member, 0, len(d.net.nodes))
	for _, m := range d.net.nodes {
		all = append(all, nodes.Member{
			Name: m.name, Instance: m.instance, Self: m == d, Reachable: d.hears(m),
			Ready: !m.state.Unready && !m.state.Barred, Gaps: d.gaps[m.name],
		})
	}
	slices.SortFunc(all, func(a, b nodes.Member) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Alive implements [nodes.Nodes].
func (d *Node) Alive(node string) bool {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	other := d.net.nodes[node]
	return other != nil && d.hears(other)
}

// Lost implements [nodes.Nodes].
func (d *Node) Lost(node, instance string) bool {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	other := d.net.nodes[node]
	return other == nil || other.instance != instance || other.dead || other.state.Side != d.state.Side || other.state.Cut && other != d
}

// Majority implements [nodes.Nodes].
func (d *Node) Majority() bool {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	near, all := 0, 0
	for _, m := range d.net.nodes {
		if m.dead {
			continue
		}
		all++
		if m.state.Side == d.state.Side {
			near++
		}
	}
	return 2*near > all && !d.state.Apart
}

// Changes implements [nodes.Nodes].
func (d *Node) Changes() (<-chan struct{}, func()) {
	w := make(chan struct{}, 1)
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	d.net.watches[w] = struct{}{}
	return w, func() {
		d.net.mu.Lock()
		defer d.net.mu.Unlock()
		delete(d.net.watches, w)
	}
}

// Publish implements [nodes.Nodes].
func (d *Node) Publish(topic string, payload []byte) error {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	for _, m := range d.net.nodes {
		if m.dead || m.state.Side != d.state.Side || m.state.Deaf || m.unheard[d.name] {
			continue
		}
		m.post = append(m.post, published{topic, slices.Clone(payload)})
		if !m.posting {
			m.posting = true
			m.wg.Go(m.deliver)
		}
	}
	return nil
}

// deliver hands over what was published until there is nothing more.
func (d *Node) deliver() {
	for {
		d.net.mu.Lock()
		if len(d.post) == 0 || d.dead {
			d.posting = false
			d.net.mu.Unlock()
			return
		}
		p := d.post[0]
		d.post = d.post[1:]
		takers := make([]func([]byte), 0, len(d.takers[p.topic]))
		for _, take := range d.takers[p.topic] {
			takers = append(takers, take)
		}
		d.net.mu.Unlock()
		for _, take := range takers {
			take(p.payload)
		}
	}
}

// Subscribe implements [nodes.Nodes].
func (d *Node) Subscribe(topic string, take func([]byte)) (stop func()) {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	if d.takers[topic] == nil {
		d.takers[topic] = map[int]func([]byte){}
	}
	d.last++
	id := d.last
	d.takers[topic][id] = take
	return func() {
		d.net.mu.Lock()
		defer d.net.mu.Unlock()
		delete(d.takers[topic], id)
	}
}

// errQuorum refuses a write of a node that has no majority.
var errQuorum = fmt.Errorf("no majority of the nodes is there")

// Keep implements [nodes.Nodes].
func (d *Node) Keep(_ context.Context, mailbox string, message []byte) error {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	if d.dead || d.state.Apart || d.state.Cut {
		return errQuorum
	}
	if d.net.kept[mailbox] == nil {
		d.net.kept[mailbox] = map[uint64][]byte{}
	}
	d.net.kept[mailbox][uint64(len(d.net.kept[mailbox]))] = slices.Clone(message)
	return nil
}

// Collect implements [nodes.Nodes].
func (d *Node) Collect(_ context.Context, mailbox string) (map[uint64][]byte, error) {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	if d.dead || d.state.Apart || d.state.Cut || d.state.Silent {
		return nil, errQuorum
	}
	messages := map[uint64][]byte{}
	for number, m := range d.net.kept[mailbox] {
		messages[number] = m
	}
	return messages, nil
}
