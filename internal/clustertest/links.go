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
	ends    []End
	proxies map[[2]string]*proxy
	ways    map[[2]string]*way // what one node sends another, over whosever connection
	wg      sync.WaitGroup
}

// End is a node as the links know it.
type End struct{ Name, Addr string }

// Quality is how a link carries bytes.
type Quality struct {
	Delay time.Duration // each way
	Rate  int           // bytes per second each way; 0 means unlimited
}

// way is the state of what one node sends another.
type way struct {
	mu      sync.Mutex
	cut     bool
	quality Quality
	changed chan struct{} // closed at each change
}

// NewLinks joins nodes. at says where the proxy listens through which the node of
// one index dials that of another.
func NewLinks(ends []End, at func(from, to int) string) (*Links, error) {
	l := &Links{ends: ends, proxies: map[[2]string]*proxy{}, ways: map[[2]string]*way{}}
	for _, from := range ends {
		for _, to := range ends {
			l.ways[[2]string{from.Name, to.Name}] = &way{changed: make(chan struct{})}
		}
	}
	for i, from := range ends {
		for j, to := range ends {
			if i == j {
				continue
			}
			listener, err := net.Listen("tcp", at(i, j))
			if err != nil {
				l.Close()
				return nil, fmt.Errorf("listen for a link: %w", err)
			}
			there, back := [2]string{from.Name, to.Name}, [2]string{to.Name, from.Name}
			p := &proxy{listener: listener, to: to.Addr, there: l.ways[there], back: l.ways[back], open: map[net.Conn]struct{}{}}
			l.proxies[there] = p
			l.wg.Go(p.run)
		}
	}
	return l, nil
}

// Addr returns where one node dials another.
func (l *Links) Addr(from, to string) string {
	return l.proxies[[2]string{from, to}].listener.Addr().String()
}

// Cut silences the links between a and b: connections stay open and nothing
// arrives, as when packets are lost. What was sent arrives after Heal, if its
// connection is still there.
func (l *Links) Cut(a, b string) {
	l.CutWay(a, b)
	l.CutWay(b, a)
}

// CutWay silences what one node sends another, and not what that sends back.
func (l *Links) CutWay(from, to string) { l.change(from, to, func(w *way) { w.cut = true }) }

// Isolate cuts one node from all others.
func (l *Links) Isolate(name string) {
	for _, other := range l.ends {
		if other.Name != name {
			l.Cut(name, other.Name)
		}
	}
}

// Shape delays and slows the links between a and b.
func (l *Links) Shape(a, b string, q Quality) {
	l.change(a, b, func(w *way) { w.quality = q })
	l.change(b, a, func(w *way) { w.quality = q })
}

// Break closes the connections between a and b, which may open new ones.
func (l *Links) Break(a, b string) {
	for _, pair := range [][2]string{{a, b}, {b, a}} {
		l.proxies[pair].hangUp()
	}
}

// Heal makes all links whole and quick.
func (l *Links) Heal() {
	for pair := range l.ways {
		l.change(pair[0], pair[1], func(w *way) { w.cut, w.quality = false, Quality{} })
	}
}

func (l *Links) change(from, to string, do func(*way)) {
	w := l.ways[[2]string{from, to}]
	w.mu.Lock()
	defer w.mu.Unlock()
	do(w)
	close(w.changed)
	w.changed = make(chan struct{})
}

// Close ends all links.
func (l *Links) Close() {
	for _, p := range l.proxies {
		p.close()
	}
	l.wg.Wait()
}

// proxy carries the connections that one node opens to another.
type proxy struct {
	listener net.Listener
	to       string
	there    *way // what the node sends that dials
	back     *way
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
	wg.Go(func() { p.carry(in, out, p.there) })
	wg.Go(func() { p.carry(out, in, p.back) })
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
func (p *proxy) carry(from, to net.Conn, w *way) {
	held := make(chan chunk, maxHeld)
	gone := make(chan struct{})
	go func() { // ends when held is closed, or the connection
		defer close(gone)
		p.deliver(held, to, w)
		hangUp(from)
	}()
	for {
		buf := make([]byte, 16<<10)
		n, err := from.Read(buf)
		if n > 0 {
			select {
			case held <- chunk{buf[:n], time.Now().Add(w.now().Delay)}:
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
func (p *proxy) deliver(held <-chan chunk, to net.Conn, w *way) {
	for c := range held {
		if err := p.pass(len(c.data), c.due, w); err != nil {
			return
		}
		if _, err := to.Write(c.data); err != nil {
			return
		}
	}
}

var errClosed = errors.New("the links are closed")

// pass waits until n bytes may arrive that are sent one way.
func (p *proxy) pass(n int, due time.Time, w *way) error {
	if q := w.now(); q.Rate > 0 {
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
		w.mu.Lock()
		cut, changed := w.cut, w.changed
		w.mu.Unlock()
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

func (w *way) now() Quality {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.quality
}
