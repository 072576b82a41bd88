// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	ws "github.com/coder/websocket"

	"github.com/holdfast-mcp/holdfast/transport"
)

var (
	// ErrTooSlow ends a connection whose peer does not read what is written for it.
	ErrTooSlow = errors.New("the peer does not read its messages")
	// ErrNoPong ends a connection whose peer does not answer pings.
	ErrNoPong = errors.New("the peer does not answer pings")
	// ErrIdle ends a connection that carried no message for too long.
	ErrIdle = errors.New("the connection was idle for too long")
	// ErrMessage ends a connection whose peer sent what no message may be: binary
	// data, more bytes than allowed, or text that is not UTF-8.
	ErrMessage = errors.New("message refused")
	// ErrLost reports a connection that ended without the closing handshake.
	ErrLost = errors.New("the connection was lost")
)

// CloseError reports that the peer closed the connection for a reason. A close
// with status 1000, 1001 or none is the regular end, io.EOF.
type CloseError struct {
	Status int    // RFC 6455 §7.4
	Reason string // in the peer's words, at most 123 bytes
}

// Error names status and reason.
func (e *CloseError) Error() string {
	return fmt.Sprintf("the peer closed the connection: status %d: %q", e.Status, e.Reason)
}

// limits is what both sides of a connection are bound by.
type limits struct {
	maxMessage int64
	budget     *transport.Budget
	unread     *transport.Budget
	queue      int64         // messages that wait to be written
	queueBytes int64         // and their bytes, if there are several
	arrival    time.Duration // how long a message may take, and a second more for each 64 KiB; 0 is no limit
	ping       time.Duration
	pong       time.Duration
	write      time.Duration
	idle       time.Duration // 0 is no limit
	bye        ws.StatusCode // how Close ends a connection
	why        string        // and the reason it gives
}

const (
	farewellLimit = 2 * time.Second // for the closing handshake
	fragment      = 64 << 10        // longer messages leave gaps for pings
	keptBuffer    = 4 << 10         // what an idle connection may hold
)

// conn is an open WebSocket as a transport.Conn. Its goroutine, keep, ends with
// it; Close waits for that.
type conn struct {
	ws     *ws.Conn
	wire   *wire
	lim    limits
	remote string // address of the peer
	gone   func() // called when the end begins

	draining  atomic.Bool
	reading   atomic.Bool  // somebody is in Read
	writers   atomic.Int64 // writes in progress
	unwritten atomic.Int64 // and their bytes
	latest    atomic.Int64 // when a message last went either way, in Unix nanoseconds

	// Of the reading goroutine:
	buf  []byte
	hold *transport.Hold // of the message that Read has returned last
	told bool            // that the connection drains
	late *time.Timer     // runs while a message arrives; nil without a limit

	once sync.Once
	err  error         // why it ended; to be read after done
	done chan struct{} // closed when the end has begun
	kept chan struct{} // closed when keep has returned
}

var (
	_ transport.Conn        = (*conn)(nil)
	_ transport.PartsWriter = (*conn)(nil)
	_ transport.Holder      = (*conn)(nil)
	_ transport.Remote      = (*conn)(nil)
)

// newConn starts keeping the connection alive. gone must not wait.
func newConn(w *ws.Conn, below *wire, lim limits, remote string, gone func()) *conn {
	w.SetReadLimit(lim.maxMessage)
	c := &conn{
		ws: w, wire: below, lim: lim, remote: remote, gone: gone, done: make(chan struct{}), kept: make(chan struct{}),
	}
	if lim.arrival > 0 {
		c.late = time.AfterFunc(lim.arrival, func() {
			c.end(ws.StatusPolicyViolation, "the message did not arrive in time", fmt.Errorf("%w: it did not arrive in time", ErrMessage))
		})
		c.late.Stop()
	}
	c.touch()
	go c.keep()
	return c
}

// Write implements [transport.Conn]. It waits its turn while the peer makes
// progress with earlier messages; when too many wait, or the peer takes nothing
// for the write timeout, the connection ends.
func (c *conn) Write(msg []byte) error { return c.write(int64(len(msg)), [][]byte{msg}) }

// WriteParts implements [transport.PartsWriter].
func (c *conn) WriteParts(parts [][]byte) error { return c.write(0, parts) }

// write writes a message that takes so many bytes for itself.
func (c *conn) write(size int64, parts [][]byte) error {
	if c.ended() {
		return transport.ErrClosed
	}
	defer c.writers.Add(-1)
	defer c.unwritten.Add(-size)
	waiting, bytes := c.writers.Add(1), c.unwritten.Add(size)
	if waiting > c.lim.queue || waiting > 1 && bytes > c.lim.queueBytes {
		c.end(ws.StatusTryAgainLater, "messages are not read fast enough", ErrTooSlow)
		return c.err
	}
	var unread transport.Hold
	unread.Begin(c.lim.unread, c.remote)
	defer unread.Release()
	if unread.Patience(int(size), c.lim.write) < c.lim.write {
		c.wire.hurry.Add(1)
		defer c.wire.hurry.Add(-1)
	}
	if err := c.send(parts); err != nil {
		return c.writeFailed(err)
	}
	c.touch()
	return nil
}

// send writes one message, a long one in fragments.
func (c *conn) send(parts [][]byte) error {
	ctx := context.Background() // the wire has the deadline
	if len(parts) == 1 && len(parts[0]) <= fragment {
		return c.ws.Write(ctx, ws.MessageText, parts[0])
	}
	w, err := c.ws.Writer(ctx, ws.MessageText)
	if err != nil {
		return err
	}
	for _, rest := range parts {
		for len(rest) > 0 {
			n := min(len(rest), fragment)
			if _, err := w.Write(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
	}
	return w.Close()
}

// writeFailed ends the connection, unless the peer is just closing it: that is
// for the reader to report.
func (c *conn) writeFailed(err error) error {
	switch {
	case c.ended():
	case c.wire.stalled.Load():
		c.end(0, "", fmt.Errorf("%w: it took nothing for %v", ErrTooSlow, c.lim.write))
	case errors.Is(err, net.ErrClosed):
	default:
		c.end(0, "", fmt.Errorf("%w: %v", ErrLost, err))
	}
	return fmt.Errorf("%w: %w", transport.ErrClosed, err)
}

// Close says goodbye within two seconds and waits for the connection's goroutine.
func (c *conn) Close() error {
	c.finish()
	return nil
}

func (c *conn) finish() {
	c.end(c.lim.bye, c.lim.why, transport.ErrClosed)
	<-c.kept
}

// end closes the connection, once, with a status and reason for the peer, or
// with status 0 without a word; err is what Read returns from then on. It
// returns when the connection has been closed.
func (c *conn) end(status ws.StatusCode, reason string, err error) {
	c.once.Do(func() {
		c.err = err
		close(c.done)
		c.gone()
		if status == 0 {
			c.wire.cut()
			_ = c.ws.CloseNow() // it is over either way
			return
		}
		c.wire.interrupt(false) // the peer's answer is to be read
		limit := time.AfterFunc(min(farewellLimit, c.lim.pong), c.wire.cut)
		_ = c.ws.Close(status, reason) // a peer that does not answer is cut off
		limit.Stop()
	})
}

func (c *conn) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// drained says once that the connection is to end when its calls have been
// answered. Nothing is read any more, so all that follows is the end.
func (c *conn) drained() error {
	if !c.told {
		c.told = true
		return transport.ErrDraining
	}
	<-c.done
	return c.err
}

// drain makes Read say that this side is leaving, so that calls in flight can be
// answered and nothing new comes.
func (c *conn) drain() {
	c.draining.Store(true)
	c.wire.interrupt(true)
}

func (c *conn) touch() { c.latest.Store(time.Now().UnixNano()) }

// keep pings the peer and ends the connection when it is gone or idle.
func (c *conn) keep() {
	defer close(c.kept)
	ping := time.NewTicker(c.lim.ping)
	defer ping.Stop()
	idle := &time.Timer{} // whose nil channel never fires
	if c.lim.idle > 0 {
		idle = time.NewTimer(c.lim.idle)
		defer idle.Stop()
	}
	for {
		select {
		case <-c.done:
			return
		case <-ping.C:
			if !c.alive() {
				c.end(ws.StatusPolicyViolation, "pings are not answered", ErrNoPong)
				return
			}
		case <-idle.C:
			rest := c.lim.idle - time.Since(time.Unix(0, c.latest.Load()))
			if rest <= 0 {
				c.end(ws.StatusGoingAway, "no message for too long", ErrIdle)
				return
			}
			idle.Reset(rest)
		}
	}
}

// alive pings the peer and waits for its answer. What else arrives meanwhile
// counts too, as the pong may be behind a long message; and while a message is
// being written, or nobody reads, a late pong tells nothing.
func (c *conn) alive() bool {
	if c.draining.Load() {
		return true
	}
	before := c.wire.reads.Load()
	ctx, cancel := context.WithTimeout(context.Background(), c.lim.pong)
	defer cancel()
	if err := c.ws.Ping(ctx); err == nil || c.ended() || c.draining.Load() {
		return true
	}
	return c.writers.Load() > 0 || !c.reading.Load() || c.wire.reads.Load() != before
}
