// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/quota"
)

const (
	// writeTimeout is how long a client may take nothing of what is written.
	writeTimeout = 30 * time.Second
	// writePart is how much it must take within that time, in bytes.
	writePart = 64 << 10
)

// Conn is a connection that was admitted. A write to a client that takes nothing
// fails after 30 seconds, unless its writer has set a deadline of its own.
type Conn struct {
	net.Conn
	conns  *Conns // nil when it is not bounded
	client *client

	since atomic.Int64 // when it began to wait for a request, in Unix nanoseconds; 0 while it serves one
	first atomic.Bool  // it has had a request
	timed atomic.Bool  // the writer has set a deadline

	read, write deadline

	remote string     // address, host:port
	seat   quota.Seat // of what has been read last
}

func (c *Conn) self() *Conn { return c }

// waits notes that the first request is waited for.
func (c *Conn) waits(now time.Time) { c.since.Store(now.UnixNano()) }

// rests notes that the next request is waited for.
func (c *Conn) rests(now time.Time) {
	c.first.Store(true)
	c.since.Store(now.UnixNano())
}

// busy notes that a request is served, or that the connection is not the server's any more.
func (c *Conn) busy() { c.since.Store(0) }

// waiting reports whether the connection may be closed in favour of another.
func (c *Conn) waiting(now time.Time) bool {
	since := c.since.Load()
	return since != 0 && (c.first.Load() || now.Sub(time.Unix(0, since)) >= minSilence)
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	written := 0
	for {
		part := p[written:]
		if !c.timed.Load() {
			part = part[:min(len(part), writePart)]
			if err := c.write.move(c.Conn.SetWriteDeadline, time.Now().Add(writeTimeout)); err != nil {
				return written, err
			}
		}
		n, err := c.write.during(c.Conn.SetWriteDeadline, c.Conn.Write, part)
		if written += n; err != nil || written == len(p) {
			return written, err
		}
	}
}

// Read implements [net.Conn]. Until the next Read what it brings is worked at: that
// takes a seat, or one client's requests that come at once would be read, and would
// start their handlers, before the first one of another.
func (c *Conn) Read(p []byte) (int, error) {
	c.seat.Leave()
	n, err := c.read.during(c.Conn.SetReadDeadline, c.Conn.Read, p)
	if n > 0 && c.conns != nil {
		c.seat.Enter(c.conns.seats, c.remote)
	}
	return n, err
}

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error { return c.read.move(c.Conn.SetReadDeadline, t) }

// SetWriteDeadline implements [net.Conn]. Without a deadline a write has one of its own.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.timed.Store(!t.IsZero())
	if t.IsZero() {
		return nil
	}
	return c.write.move(c.Conn.SetWriteDeadline, t)
}

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// cut closes the connection without a word, and without waiting for its client.
func (c *Conn) cut() {
	c.seat.Leave()
	c.conns.leave(c)
	if secure, ok := c.Conn.(*tls.Conn); ok {
		_ = secure.NetConn().Close()
		return
	}
	_ = c.Conn.Close()
}

// Close implements [net.Conn].
func (c *Conn) Close() error {
	c.seat.Leave()
	if c.conns != nil {
		c.conns.leave(c)
	}
	return c.Conn.Close()
}
