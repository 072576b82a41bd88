// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
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

	write deadline
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
	if c.timed.Load() {
		return c.Conn.Write(p)
	}
	written := 0
	for {
		part := p[written:min(len(p), written+writePart)]
		now := time.Now()
		if err := c.write.move(c.Conn.SetWriteDeadline, now.Add(writeTimeout), now); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(part)
		if written += n; err != nil || written == len(p) {
			return written, err
		}
	}
}

// SetWriteDeadline implements [net.Conn]. A deadline that is far enough away may
// come a little sooner.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.timed.Store(!t.IsZero())
	if t.IsZero() {
		return nil // Write has one of its own
	}
	return c.write.move(c.Conn.SetWriteDeadline, t, time.Now())
}

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// slack is how much sooner than asked for a deadline may come, if it is in the
// future as it stands: moving one costs as much as a small write.
const slack = 2 * time.Second

// deadline is that of writing, as the system has it. The zero value is none.
type deadline struct {
	mu sync.Mutex
	at time.Time
}

// move moves the deadline, unless it is near enough to where it is to be.
func (d *deadline) move(set func(time.Time) error, to, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if later := to.Sub(d.at); !to.IsZero() && later >= 0 && later <= slack && d.at.Sub(now) > slack {
		return nil
	}
	d.at = to
	return set(to)
}

// cut closes the connection without a word, and without waiting for its client.
func (c *Conn) cut() {
	c.conns.leave(c)
	if secure, ok := c.Conn.(*tls.Conn); ok {
		_ = secure.NetConn().Close()
		return
	}
	_ = c.Conn.Close()
}

// Close implements [net.Conn].
func (c *Conn) Close() error {
	if c.conns != nil {
		c.conns.leave(c)
	}
	return c.Conn.Close()
}
