// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
)

// network is a cluster in this process.
type network struct {
	mu    sync.Mutex
	nodes []*memory
}

// memory is one node of it: a Cluster.
type memory struct {
	net  *network
	name string
	wg   sync.WaitGroup
	post chan []byte // what was published

	// guarded by net.mu:
	ready    bool
	unheard  map[string]bool // nodes that this one has not heard of
	side     int             // of the cluster, which is cut in two when they differ
	barred   bool            // others hear it, and yet streams to it fail here and there
	deaf     bool            // what is published does not reach it
	gaps     map[string]uint64
	down     chan struct{}
	accept   func(context.Context, Stream)
	takers   map[string]map[int]func([]byte)
	watchers map[chan struct{}]struct{}
	streams  map[*end]struct{}
	last     int
}

var (
	errLost   = errors.New("node lost")
	errBarred = errors.New("cannot be reached from here")
)

// join adds a node that has not heard of some others.
func (n *network) join(name string, unheard ...string) *memory {
	m := &memory{
		net: n, name: name, ready: true, unheard: map[string]bool{}, down: make(chan struct{}), post: make(chan []byte, 4096),
		takers: map[string]map[int]func([]byte){}, watchers: map[chan struct{}]struct{}{}, streams: map[*end]struct{}{}, gaps: map[string]uint64{},
	}
	for _, other := range unheard {
		m.unheard[other] = true
	}
	n.mu.Lock()
	n.nodes = append(n.nodes, m)
	n.changed()
	n.mu.Unlock()
	m.wg.Go(m.deliver)
	return m
}

// changed tells all that the members have changed. n.mu is held.
func (n *network) changed() {
	for _, m := range n.nodes {
		for w := range m.watchers {
			select {
			case w <- struct{}{}:
			default:
			}
		}
	}
}

// lose takes a node out, as if its process had ended.
func (m *memory) lose() {
	m.net.mu.Lock()
	i := slices.Index(m.net.nodes, m)
	if i < 0 {
		m.net.mu.Unlock()
		return
	}
	m.net.nodes = slices.Delete(m.net.nodes, i, i+1)
	close(m.down)
	close(m.post)
	streams := m.streams
	m.streams = map[*end]struct{}{}
	m.net.changed()
	m.net.mu.Unlock()
	for s := range streams {
		s.stop(errLost)
		s.other.stop(errLost)
	}
	m.wg.Wait()
}

func (m *memory) setReady(ready bool) {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	m.ready = ready
	m.net.changed()
}

func (m *memory) deliver() {
	for data := range m.post {
		m.net.mu.Lock()
		takers := make([]func([]byte), 0, len(m.takers[topic]))
		for _, take := range m.takers[topic] {
			takers = append(takers, take)
		}
		m.net.mu.Unlock()
		for _, take := range takers {
			take(data)
		}
	}
}

func (m *memory) Name() string { return m.name }

func (m *memory) Members() []Member {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	var all []Member
	for _, x := range m.net.nodes {
		if x.side == m.side && !m.unheard[x.name] {
			all = append(all, Member{Name: x.name, Ready: x.ready && !x.barred, Gaps: m.gaps[x.name]})
		}
	}
	return all
}

func (m *memory) Majority() bool {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	near := 0
	for _, x := range m.net.nodes {
		if x.side == m.side {
			near++
		}
	}
	return 2*near > len(m.net.nodes)
}

// cut puts a node on a side of its own, or back with the others.
func (m *memory) cut(side int) {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	m.side = side
	m.net.changed()
}

// deafen has a node miss what is published, or hear again, which all then know.
func (m *memory) deafen(deaf bool) {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	m.deaf = deaf
	if !deaf {
		for _, x := range m.net.nodes {
			if x != m {
				x.gaps[m.name]++
				m.gaps[x.name]++
			}
		}
		m.net.changed()
	}
}

// bar makes a node one that only others hear.
func (m *memory) bar(barred bool) {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	m.barred = barred
	m.net.changed()
}

func (m *memory) WatchMembers() (changes <-chan struct{}, stop func()) {
	w := make(chan struct{}, 1)
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	m.watchers[w] = struct{}{}
	return w, func() {
		m.net.mu.Lock()
		defer m.net.mu.Unlock()
		delete(m.watchers, w)
	}
}

func (m *memory) find(node string) *memory {
	for _, x := range m.net.nodes {
		if x.name == node {
			return x
		}
	}
	return nil
}

var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (m *memory) Down(node string) <-chan struct{} {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	if x := m.find(node); x != nil && x.side == m.side && !m.unheard[node] {
		return x.down
	}
	return closedChan
}

func (m *memory) Open(_ context.Context, node, _ string) (Stream, error) {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	x := m.find(node)
	switch {
	case x == nil || x.accept == nil || m.find(m.name) != m || x.side != m.side:
		return nil, ErrAbsent
	case x.barred:
		return nil, errBarred
	}
	near, far := newEnd(m, node), newEnd(x, m.name)
	near.other, far.other = far, near
	m.streams[near], x.streams[far] = struct{}{}, struct{}{}
	accept := x.accept
	x.wg.Go(func() {
		ctx, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		defer context.AfterFunc(far.life, func() { cancel(context.Cause(far.life)) })()
		accept(ctx, far)
		far.Close(nil)
	})
	return near, nil
}

func (m *memory) ServeStream(_ string, accept func(context.Context, Stream)) {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	m.accept = accept
}

func (m *memory) Publish(_ string, payload []byte) error {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	for _, x := range m.net.nodes {
		if x.side == m.side && !x.deaf && !x.unheard[m.name] {
			x.post <- slices.Clone(payload)
		}
	}
	return nil
}

func (m *memory) Subscribe(topic string, take func([]byte)) (stop func()) {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	if m.takers[topic] == nil {
		m.takers[topic] = map[int]func([]byte){}
	}
	m.last++
	id := m.last
	m.takers[topic][id] = take
	return func() {
		m.net.mu.Lock()
		defer m.net.mu.Unlock()
		delete(m.takers[topic], id)
	}
}

// end is one end of a stream.
type end struct {
	on    *memory
	node  string
	other *end
	queue chan []byte
	life  context.Context
	over  context.CancelCauseFunc
}

func newEnd(on *memory, node string) *end {
	e := &end{on: on, node: node, queue: make(chan []byte, 64)}
	e.life, e.over = context.WithCancelCause(context.Background())
	return e
}

func (e *end) Node() string { return e.node }

func (e *end) Send(ctx context.Context, payload []byte) error {
	if err := e.life.Err(); err != nil {
		return context.Cause(e.life)
	}
	select {
	case e.other.queue <- payload:
		return nil
	case <-e.life.Done():
		return context.Cause(e.life)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (e *end) Receive(ctx context.Context) ([]byte, error) {
	select {
	case data := <-e.queue:
		return data, nil
	default:
	}
	select {
	case data := <-e.queue:
		return data, nil
	case <-e.life.Done():
		select {
		case data := <-e.queue:
			return data, nil
		default:
		}
		return nil, context.Cause(e.life)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (e *end) Close(reason error) {
	if reason == nil {
		reason = io.EOF
	}
	e.stop(reason)
	e.other.stop(reason)
}

func (e *end) stop(reason error) {
	e.over(reason)
	e.on.net.mu.Lock()
	delete(e.on.streams, e)
	e.on.net.mu.Unlock()
}
