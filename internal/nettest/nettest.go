// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package nettest has a network in memory for tests of servers: its connections
// have deadlines and no buffers, and work under a fake clock.
package nettest

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// Listener is a [net.Listener] in memory.
type Listener struct {
	accept chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// Listen returns a listener.
func Listen() *Listener {
	return &Listener{accept: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements [net.Listener].
func (l *Listener) Addr() net.Addr { return address("192.0.2.254") }

// Dial connects from an address and returns the client's end.
func (l *Listener) Dial(from string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.accept <- &conn{theirs, address(from)}:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func address(ip string) net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 1000))
}

// conn is the server's end, which has addresses as if it were one of TCP.
type conn struct {
	net.Conn
	remote net.Addr
}

func (c *conn) RemoteAddr() net.Addr { return c.remote }
func (c *conn) LocalAddr() net.Addr  { return address("192.0.2.254") }

// Serve serves srv, whose connections come from wrap(l) if there is a wrap, until
// the test ends. It returns how to connect from an address. It is for tests under
// a fake clock.
func Serve(t *testing.T, srv *http.Server, wrap func(net.Listener) net.Listener) func(from string) net.Conn {
	t.Helper()
	l := Listen()
	served := net.Listener(l)
	if wrap != nil {
		served = wrap(l)
	}
	go func() { _ = srv.Serve(served) }() // ends with Close below
	t.Cleanup(func() {
		_ = srv.Close()         // of connections, which are gone either way
		time.Sleep(time.Second) // net/http waits a little before it closes some
	})
	return func(from string) net.Conn {
		t.Helper()
		c, err := l.Dial(from)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
}
