// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
)

// detour is the way to a node by way of a third one, made while the link to it is
// broken: the server here dials the listener, each connection goes over a stream
// to the node between, from there over another to the node itself, which connects
// it with its own server. The two servers have a route then, encrypted end to end,
// and nothing else notices.
//
// It owns the goroutines of its listener and connections; close ends them and waits.
type detour struct {
	m        *mesh
	node     string
	instance string
	address  string // of the listener, on loopback
	listener net.Listener
	ctx      context.Context
	stop     context.CancelFunc
	wg       sync.WaitGroup
}

// kindDetour is the kind of streams that carry connections.
const kindDetour = "detour"

// passage is the first message of such a stream: between which nodes the connection
// is. The answer is empty when it stands.
type passage struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// chunkBytes is how much of a connection goes in one message.
const chunkBytes = 64 << 10

// made returns the detours that were made here.
func (m *mesh) made() map[string]*detour {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make(map[string]*detour, len(m.detours))
	for name, d := range m.detours {
		list[name] = d
	}
	return list
}

// begin makes a detour; the next routes that are set lead there.
func (m *mesh) begin(k *Member) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		m.c.log.Warn("no detour to a node that is not reached", "node", k.Name, "error", err)
		return
	}
	d := &detour{m: m, node: k.Name, instance: k.Instance, address: l.Addr().String(), listener: l}
	d.ctx, d.stop = context.WithCancel(m.c.base)
	m.mu.Lock()
	m.detours[k.Name] = d
	m.mu.Unlock()
	d.wg.Go(d.run)
}

// end ends the detour to a node.
func (m *mesh) end(name string) {
	m.mu.Lock()
	d := m.detours[name]
	delete(m.detours, name)
	if d != nil {
		delete(m.leads, d.address)
	}
	m.mu.Unlock()
	if d != nil {
		d.close()
	}
}

// redial has the addresses of a node dialled anew. That takes a moment, for which
// there will be no detour to it.
func (m *mesh) redial(name string, now time.Time) {
	m.dialled[name] = now
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refresh[name] = true
}

func (m *mesh) close() {
	for _, d := range m.made() {
		d.close()
	}
}

func (d *detour) close() {
	d.stop()
	_ = d.listener.Close() // it is closed once
	d.wg.Wait()
}

func (d *detour) run() {
	for {
		conn, err := d.listener.Accept()
		if err != nil {
			return
		}
		select {
		case d.m.slots <- struct{}{}:
			d.wg.Go(func() {
				defer func() { <-d.m.slots }()
				d.carry(conn)
			})
		default:
			hangUp(conn) // the server tries again
		}
	}
}

// carry brings one connection to the node, by way of the first that it works with.
func (d *detour) carry(conn net.Conn) {
	defer hangUp(conn)
	for _, via := range d.m.c.members.between(d.node) {
		s, err := d.m.c.passBy(d.ctx, via, passage{From: d.m.c.cfg.Name, To: d.node})
		if err != nil {
			d.m.c.log.Debug("no detour", "node", d.node, "by_way_of", via, "error", err)
			continue
		}
		d.m.lead(d.address, via)
		pump(d.ctx, conn, s)
		return
	}
}

// passBy opens a stream for a connection to its end or the node between.
func (c *Cluster) passBy(ctx context.Context, node string, p passage) (*Stream, error) {
	hello, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode a passage: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	s, err := c.Open(ctx, nodes.Address{Node: node, Kind: kindDetour}, hello)
	if err != nil {
		return nil, err
	}
	if _, err = s.Receive(ctx); err != nil {
		s.Close(err)
		return nil, err
	}
	return s, nil
}

// errFarther refuses what would go by way of two nodes.
var errFarther = errors.New("this node does not reach it directly")

// accept takes a connection that comes from elsewhere: it ends here, or is passed on.
func (m *mesh) accept(ctx context.Context, s *Stream) {
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	default:
		s.Close(ErrBusy)
		return
	}
	first, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	var p passage
	hello, err := s.Receive(first)
	if err == nil {
		err = json.Unmarshal(hello, &p)
	}
	switch {
	case err != nil:
	case p.To == m.c.cfg.Name:
		err = m.arrive(ctx, s, p.From)
	case p.From != s.Node() || !m.c.members.direct(p.To):
		err = errFarther
	default:
		err = m.passOn(ctx, s, p)
	}
	s.Close(err)
}

// arrive connects a stream with the server here.
func (m *mesh) arrive(ctx context.Context, s *Stream, from string) error {
	conn, err := dialNode(ctx, m.c.cfg.ownServer())
	if err != nil {
		return fmt.Errorf("reach the server here: %w", err)
	}
	defer hangUp(conn)
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if err := s.Send(ctx, nil); err != nil {
		return err
	}
	own := conn.LocalAddr().String() // the server's other end
	m.lead(own, s.Node())
	defer m.lead(own, "")
	m.count(from, 1)
	defer m.count(from, -1)
	pump(ctx, conn, s)
	return nil
}

// lead notes by way of which node a connection of the server leads whose other end
// has an address; none when it is over.
func (m *mesh) lead(address, via string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if via == "" {
		delete(m.leads, address)
		return
	}
	m.leads[address] = via
}

// count counts the connections that come from a node by way of another. With the
// last one gone, the node's own addresses are dialled anew.
func (m *mesh) count(from string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.carried[from] += n
	if m.carried[from] == 0 {
		delete(m.carried, from)
		m.refresh[from] = true
	}
}

// passOn carries a connection between two others.
func (m *mesh) passOn(ctx context.Context, s *Stream, p passage) error {
	on, err := m.c.passBy(ctx, p.To, p)
	if err != nil {
		return err
	}
	if err := s.Send(ctx, nil); err != nil {
		on.Close(err)
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, way := range [][2]*Stream{{s, on}, {on, s}} {
		wg.Go(func() {
			defer cancel()
			for {
				data, err := way[0].Receive(ctx)
				if err == nil {
					err = way[1].Send(ctx, data)
				}
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	on.Close(nil)
	return nil
}

// pump copies between a connection and a stream until either is over.
func pump(ctx context.Context, conn net.Conn, s *Stream) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { hangUp(conn) })()
	var wg sync.WaitGroup
	wg.Go(func() {
		defer cancel()
		for {
			data, err := s.Receive(ctx)
			if err == nil {
				_, err = conn.Write(data)
			}
			if err != nil {
				return
			}
		}
	})
	buf := make([]byte, chunkBytes)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			err = errors.Join(err, s.Send(ctx, buf[:n]))
		}
		if err != nil {
			break
		}
	}
	cancel()
	wg.Wait()
	s.Close(nil)
}
