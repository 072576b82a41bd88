// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"cmp"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/quota"
	"github.com/holdfast-mcp/holdfast/internal/throttle"
)

const (
	// minSilence is how long a connection may go without its first request before
	// another one can take its place.
	minSilence = time.Second
	// barren is how long no connection is looked for that could be closed, after
	// there was none: a look costs time in proportion to the open ones.
	barren = 100 * time.Millisecond
	// perLook divides the bound: so many of it are closed at once, so that not
	// each newcomer costs a look.
	perLook = 64
)

// Conns bounds the open connections of a server. When a newcomer finds no room,
// connections that wait for a request give way, those that have waited longest
// first; when none wait, the newcomer is refused. It is safe for concurrent use.
// A nil *Conns bounds nothing.
type Conns struct {
	max   int // open connections
	each  int // of one address
	share int // which is this, in percent
	log   *slog.Logger
	seats *quota.Seats // for what the connections bring

	refused throttle.Lines

	mu      sync.Mutex
	open    map[*Conn]struct{}
	secure  map[net.Conn]*Conn // those of TLS, which the server has without their Conn
	clients map[quota.Client]*client
	idle    time.Time // no connection can be closed before; see barren
}

// client is an address with connections. It is guarded by the mu of its Conns.
type client struct {
	name quota.Client
	open int
	idle time.Time // as in Conns, for this address alone
}

// NewConns returns bounds of max connections, of which one address may have a
// share in percent. Refusals go to log, once in ten seconds at most.
func NewConns(max, share int, log *slog.Logger) *Conns {
	return &Conns{
		max: max, each: int(quota.Share(int64(max), share)), share: share, log: log,
		seats: quota.NewSeats(runtime.GOMAXPROCS(0)),
		open:  map[*Conn]struct{}{}, secure: map[net.Conn]*Conn{}, clients: map[quota.Client]*client{},
	}
}

// Max returns how many connections may be open.
func (s *Conns) Max() int { return s.max }

// Listener returns l with the connections that it accepts bounded.
func (s *Conns) Listener(l net.Listener) net.Listener { return &listener{l, s} }

type listener struct {
	net.Listener
	conns *Conns
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c, ok := l.conns.Admit(nc)
		if _, secure := nc.(*tls.Conn); ok && secure {
			l.conns.keep(c)
			return nc, nil // as it is, or net/http would not know it for TLS
		}
		if ok {
			return c, nil
		}
	}
}

// keep remembers which connection of TLS is whose.
func (s *Conns) keep(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secure[c.Conn] = c
}

// Admit takes a connection that was accepted, and makes room for it if need be.
// When there is none, it closes the connection and reports false.
func (s *Conns) Admit(nc net.Conn) (*Conn, bool) {
	c := &Conn{Conn: nc, conns: s, remote: nc.RemoteAddr().String()}
	if s == nil {
		return c, true
	}
	c.waits(time.Now())
	name := quota.Remote(c.remote)
	if s.enter(c, name) {
		return c, true
	}
	for _, idle := range s.makeRoom(name) {
		idle.cut() // gives its place back
	}
	if s.enter(c, name) {
		return c, true
	}
	s.refuse(nc, name)
	return nil, false
}

// enter gives c a place if there is one.
func (s *Conns) enter(c *Conn, name quota.Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.clients[name]
	if len(s.open) >= s.max || of != nil && of.open >= s.each {
		return false
	}
	if of == nil {
		of = &client{name: name}
		s.clients[name] = of
	}
	of.open++
	c.client = of
	s.open[c] = struct{}{}
	return true
}

// leave gives the place of c back; idempotent.
func (s *Conns) leave(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.open[c]; !open {
		return
	}
	delete(s.open, c)
	delete(s.secure, c.Conn)
	if c.client.open--; c.client.open == 0 {
		delete(s.clients, c.client.name)
	}
}

// makeRoom returns connections that can be closed for a newcomer: of its own
// address when that has its share, else of the address that has most.
func (s *Conns) makeRoom(newcomer quota.Client) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	from := s.clients[newcomer]
	if from == nil || from.open < s.each {
		if now.Before(s.idle) {
			return nil
		}
		if from = s.crowded(now); from == nil {
			s.idle = now.Add(barren)
			return nil
		}
	}
	if now.Before(from.idle) {
		return nil
	}
	waiting := s.waiting(now, from)
	if len(waiting) == 0 {
		from.idle = now.Add(barren)
	}
	return waiting
}

// crowded returns the address with the most connections of those that have some
// that wait, nil if none has.
func (s *Conns) crowded(now time.Time) *client {
	var most *client
	for c := range s.open {
		if (most == nil || c.client.open > most.open) && c.waiting(now) {
			most = c.client
		}
	}
	return most
}

// waiting returns connections of an address that can be closed, at most a part of
// the bound, those that have waited longest.
func (s *Conns) waiting(now time.Time, of *client) []*Conn {
	type one struct {
		conn  *Conn
		since int64 // as it may change meanwhile
	}
	var all []one
	for c := range s.open {
		if c.client == of && c.waiting(now) {
			all = append(all, one{c, c.since.Load()})
		}
	}
	slices.SortFunc(all, func(a, b one) int { return cmp.Compare(a.since, b.since) })
	longest := make([]*Conn, min(len(all), s.max/perLook+1))
	for i := range longest {
		longest[i] = all[i].conn
	}
	return longest
}

// refusal is what a client of HTTP/1.1 is told before its connection is closed.
// It fits the buffer of a fresh socket, so writing it waits for nobody.
const refusal = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Type: text/plain; charset=utf-8\r\n" +
	"Content-Length: 43\r\n\r\ntoo many connections; try again in a while\n"

// refuse closes a connection that there is no room for.
func (s *Conns) refuse(nc net.Conn, name quota.Client) {
	s.mu.Lock()
	open, has := len(s.open), 0
	if of := s.clients[name]; of != nil {
		has = of.open
	}
	s.mu.Unlock()
	s.refused.Log(s.log, slog.LevelWarn, "connection refused: too many are open and none of them waits for a request",
		"address", name.String(), "open", open, "limit", s.max, "of_this_address", has, "limit_per_address", s.each)
	if tcp, ok := nc.(*net.TCPConn); ok { // of others the first bytes may not be HTTP
		_, _ = io.WriteString(tcp, refusal) // who does not read it sees the end
	}
	_ = nc.Close()
}

// state is the [http.Server.ConnState] of the server.
func (s *Conns) state(nc net.Conn, state http.ConnState) {
	c, secure := s.find(nc)
	if c == nil {
		return
	}
	switch {
	case secure && (state == http.StateClosed || state == http.StateHijacked): // nothing more is heard of it
		s.leave(c)
	case state == http.StateActive, state == http.StateHijacked:
		c.busy()
	case state == http.StateIdle:
		c.rests(time.Now())
	}
}

// find returns what is known of a connection that the server has.
func (s *Conns) find(nc net.Conn) (c *Conn, secure bool) {
	if c, ok := nc.(interface{ self() *Conn }); ok {
		return c.self(), false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.secure[nc], true
}
