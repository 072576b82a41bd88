// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package peertest is [peer.Peers] in memory, for tests with several nodes in
// one process, whose links can be cut.
//
// A Network owns a goroutine per accepted stream; each ends when its stream
// does and its handler returns.
package peertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/peer"
)

// Network connects nodes. It is safe for concurrent use.
type Network struct {
	mu      sync.Mutex
	nodes   map[string]*Node
	starts  int
	watches map[chan struct{}]struct{}
}

// New returns a network without nodes.
func New() *Network {
	return &Network{nodes: map[string]*Node{}, watches: map[chan struct{}]struct{}{}}
}

// Node is one instance of a node. It is a [peer.Peers].
type Node struct {
	net            *Network
	name, instance string

	// Guarded by net.mu.
	cut     bool
	accept  map[string]func(context.Context, peer.Stream)
	streams map[*end]struct{}
}

var _ peer.Peers = (*Node)(nil)

// Start starts a node, or a new instance of one that was there, whose streams end.
func (n *Network) Start(name string) *Node {
	n.mu.Lock()
	old := n.nodes[name]
	n.starts++
	node := &Node{
		net: n, name: name, instance: fmt.Sprintf("i%d", n.starts),
		accept: map[string]func(context.Context, peer.Stream){}, streams: map[*end]struct{}{},
	}
	n.nodes[name] = node
	n.mu.Unlock()
	if old != nil {
		old.sever()
	}
	n.tell()
	return node
}

// Cut separates a node from the others, to whom it counts as lost: it died or
// hangs. The node itself takes the others for there, yet reaches nobody.
func (n *Network) Cut(name string) {
	n.mu.Lock()
	node := n.nodes[name]
	node.cut = true
	n.mu.Unlock()
	node.sever()
	n.tell()
}

// Heal undoes Cut.
func (n *Network) Heal(name string) {
	n.mu.Lock()
	n.nodes[name].cut = false
	n.mu.Unlock()
	n.tell()
}

// sever ends all streams of a node.
func (d *Node) sever() {
	d.net.mu.Lock()
	var ends []*end
	for e := range d.streams {
		ends = append(ends, e)
	}
	d.net.mu.Unlock()
	for _, e := range ends {
		e.pipe.end(peer.ErrLost)
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

// Self implements [peer.Peers].
func (d *Node) Self() (string, string) { return d.name, d.instance }

// Lost implements [peer.Peers].
func (d *Node) Lost(node, instance string) bool {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	other := d.net.nodes[node]
	return other == nil || other.instance != instance || other.cut && other != d
}

// Changes implements [peer.Peers].
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

// Serve implements [peer.Peers].
func (d *Node) Serve(kind string, accept func(context.Context, peer.Stream)) func() {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	if d.accept[kind] != nil {
		panic("peertest: kind " + kind + " is served already")
	}
	d.accept[kind] = accept
	return func() {
		d.net.mu.Lock()
		defer d.net.mu.Unlock()
		delete(d.accept, kind)
	}
}

// Open implements [peer.Peers].
func (d *Node) Open(_ context.Context, node, kind string) (peer.Stream, error) {
	n := d.net
	n.mu.Lock()
	defer n.mu.Unlock()
	other := n.nodes[node]
	if d.cut || other == nil || other.cut || n.nodes[d.name] != d {
		return nil, fmt.Errorf("open a stream to %q: %w", node, peer.ErrLost)
	}
	accept := other.accept[kind]
	if accept == nil {
		return nil, fmt.Errorf("node %q serves no %q", node, kind)
	}
	p := &pipe{over: make(chan struct{}), wake: make(chan struct{})}
	here, there := &end{pipe: p, side: 0}, &end{pipe: p, side: 1}
	d.streams[here], other.streams[there] = struct{}{}, struct{}{}
	ctx, cancel := context.WithCancel(context.Background())
	context.AfterFunc(ctx, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(d.streams, here)
		delete(other.streams, there)
	})
	p.cancel = cancel
	go func() {
		defer there.Close(nil)
		accept(ctx, there)
	}()
	return here, nil
}

// pipe is a stream; its two ends share it.
type pipe struct {
	cancel context.CancelFunc

	mu    sync.Mutex
	queue [2][][]byte // for each end to receive
	err   error
	over  chan struct{}
	wake  chan struct{}
}

type end struct {
	pipe *pipe
	side int
}

var errClosed = errors.New("the other end closed the stream")

func (p *pipe) end(reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = reason
		if errors.Is(reason, peer.ErrLost) {
			p.queue = [2][][]byte{} // what was under way is lost too
		}
		close(p.over)
		p.cancel()
	}
}

const window = 64

func (e *end) Send(ctx context.Context, message []byte) error {
	if len(message) > peer.MaxPart+1 {
		return errors.New("message is too large")
	}
	p := e.pipe
	for {
		p.mu.Lock()
		err, wake, room := p.err, p.wake, len(p.queue[1-e.side]) < window
		if err == nil && room {
			p.queue[1-e.side] = append(p.queue[1-e.side], append([]byte(nil), message...))
			p.notify()
			p.mu.Unlock()
			return nil
		}
		p.mu.Unlock()
		if err != nil {
			return err
		}
		select {
		case <-wake:
		case <-p.over:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// notify wakes both ends. p.mu is held.
func (p *pipe) notify() {
	close(p.wake)
	p.wake = make(chan struct{})
}

func (e *end) Receive(ctx context.Context) ([]byte, error) {
	p := e.pipe
	for {
		p.mu.Lock()
		if q := p.queue[e.side]; len(q) > 0 {
			p.queue[e.side] = q[1:]
			p.notify()
			p.mu.Unlock()
			return q[0], nil
		}
		err, wake := p.err, p.wake
		p.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-wake:
		case <-p.over:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (e *end) Close(reason error) {
	switch {
	case reason == nil:
		reason = io.EOF
	case !errors.Is(reason, peer.ErrLost):
		reason = fmt.Errorf("%w: %w", errClosed, reason)
	}
	e.pipe.end(reason)
}
