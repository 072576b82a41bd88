// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package clustertest

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Links are what the nodes of a cluster reach each other by: one proxy for each
// ordered pair, through which the first node dials the second. It is safe for
// concurrent use.
type Links struct {
	nodes   []*Node
	proxies map[[2]string]*proxy
	state   map[[2]string]*link // by pair, the lesser name first
	wg      sync.WaitGroup
}

// Quality is how a link carries bytes.
type Quality struct {
	Delay time.Duration // each way
	Rate  int           // bytes per second each way; 0 means unlimited
}

// link is the state of one pair. Both directions share it.
type link struct {
	mu      sync.Mutex
	cut     bool
	quality Quality
	changed chan struct{} // closed at each change
}

func newLinks(ip loopback, nodes []*Node) (*Links, error) {
	l := &Links{nodes: nodes, proxies: map[[2]string]*proxy{}, state: map[[2]string]*link{}}
	for i, from := range nodes {
		for j, to := range nodes {
			if i == j {
				continue
			}
			pair := pairOf(from.Name, to.Name)
			if l.state[pair] == nil {
				l.state[pair] = &link{changed: make(chan struct{})}
			}
			address := ip.address(100+10*i+j, portLink)
			listener, err := net.Listen("tcp", address)
			if err != nil {
				l.close()
				return nil, fmt.Errorf("listen for a link: %w", err)
			}
			p := &proxy{listener: listener, to: to.peers, link: l.state[pair], open: map[net.Conn]struct{}{}}
			l.proxies[[2]string{from.Name, to.Name}] = p
			l.wg.Go(p.run)
		}
	}
	return l, nil
}

func pairOf(a, b string) [2]string {
	if a > b {
		a, b = b, a
	}
	return [2]string{a, b}
}

// seeds returns the addresses by which a node reaches the others.
func (l *Links) seeds(n *Node) []string {
	var list []string
	for _, other := range l.nodes {
		if other != n {
			list = append(list, l.proxies[[2]string{n.Name, other.Name}].listener.Addr().String())
		}
	}
	return list
}

// Cut silences the links between a and b: connections stay open and nothing
// arrives, as when packets are lost. What was sent arrives after Heal, if its
// connection is still there.
func (l *Links) Cut(a, b string) { l.change(a, b, func(k *link) { k.cut = true }) }

// Isolate cuts one node from all others.
func (l *Links) Isolate(name string) {
	for _, other := range l.nodes {
		if other.Name != name {
			l.Cut(name, other.Name)
		}
	}
}

// Shape delays and slows the links between a and b.
func (l *Links) Shape(a, b string, q Quality) { l.change(a, b, func(k *link) { k.quality = q }) }

// Break closes the connections between a and b, which may open new ones.
func (l *Links) Break(a, b string) {
	for _, pair := range [][2]string{{a, b}, {b, a}} {
		l.proxies[pair].hangUp()
	}
}

// Heal makes all links whole and quick.
func (l *Links) Heal() {
	for pair := range l.state {
		l.change(pair[0], pair[1], func(k *link) { k.cut, k.quality = false, Quality{} })
	}
}

func (l *Links) change(a, b string, do func(*link)) {
	k := l.state[pairOf(a, b)]
	k.mu.Lock()
	defer k.mu.Unlock()
	do(k)
	close(k.changed)
	k.changed = make(chan struct{})
}

func (l *Links) close() {
	for _, p := range l.proxies {
		p.close()
	}
	l.wg.Wait()
}

// proxy carries the connections that one node opens to another.
type proxy struct {
	listener net.Listener
	to       string
	link     *link
	wg       sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{}
}

// run accepts until the listener is closed, and waits for what it has begun.
func (p *proxy) run() {
	defer p.wg.Wait()
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.connect(in) })
	}
}

// connect joins a connection with one to the other node.
func (p *proxy) connect(in net.Conn) {
	defer hangUp(in)
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		return // nobody is there: so it looks from the other side
	}
	defer hangUp(out)
	if !p.enter(in, out) {
		return
	}
	defer p.leave(in, out)
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		wg.Go(func() { p.carry(way[0], way[1]) })
	}
	wg.Wait()
}

func (p *proxy) enter(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			return false
		}
		p.open[c] = struct{}{}
	}
	return true
}

func (p *proxy) leave(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.open, c)
	}
}

func (p *proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		hangUp(c)
	}
}

// hangUp closes a connection; that it was closed already is as good.
func hangUp(c net.Conn) { _ = c.Close() }

func (p *proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.listener.Close()
	p.hangUp()
}

// chunk is what was read at once, and when it may arrive.
type chunk struct {
	data []byte
	due  time.Time
}

// maxHeld bounds what one direction holds back; then the sender feels it.
const maxHeld = 64 // chunks of up to 64 KiB

// carry copies one way: this goroutine reads, one of its own writes when the
// link lets it.
func (p *proxy) carry(from, to net.Conn) {
	held := make(chan chunk, maxHeld)
	gone := make(chan struct{})
	go func() { // ends when held is closed, or the connection
		defer close(gone)
		p.deliver(held, to)
		hangUp(from)
	}()
	for {
		buf := make([]byte, 16<<10)
		n, err := from.Read(buf)
		if n > 0 {
			select {
			case held <- chunk{buf[:n], time.Now().Add(p.link.now().Delay)}:
			case <-gone:
			}
		}
		if err != nil {
			break
		}
	}
	close(held)
	<-gone
	hangUp(to)
}

// deliver writes what is held, as the link allows.
func (p *proxy) deliver(held <-chan chunk, to net.Conn) {
	for c := range held {
		if err := p.pass(len(c.data), c.due); err != nil {
			return
		}
		if _, err := to.Write(c.data); err != nil {
			return
		}
	}
}

var errClosed = errors.New("the links are closed")

// pass waits until n bytes may arrive.
func (p *proxy) pass(n int, due time.Time) error {
	if q := p.link.now(); q.Rate > 0 {
		due = later(due, time.Now().Add(time.Duration(n)*time.Second/time.Duration(q.Rate)))
	}
	if wait := time.Until(due); wait > 0 {
		time.Sleep(wait)
	}
	for {
		p.mu.Lock()
		closed := p.closed
		p.mu.Unlock()
		if closed {
			return errClosed
		}
		p.link.mu.Lock()
		cut, changed := p.link.cut, p.link.changed
		p.link.mu.Unlock()
		if !cut {
			return nil
		}
		select {
		case <-changed:
		case <-time.After(100 * time.Millisecond): // the proxy may have been closed
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (k *link) now() Quality {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.quality
}
