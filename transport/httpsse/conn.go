// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpsse

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/holdfast-mcp/holdfast/internal/httpio"
	"github.com/holdfast-mcp/holdfast/internal/sse"
	"github.com/holdfast-mcp/holdfast/transport"
)

const (
	// queued is how many messages may wait for a stream's reader; whoever brings
	// another one waits.
	queued = 16
	// maxUnwritten bounds the bytes of messages that wait for a stream's client, if
	// more than one does.
	maxUnwritten = 16 << 20
)

// errUnread ends a stream whose client does not read what is written for it.
var errUnread = errors.New("the client does not read its messages")

// message is one that was POSTed, with its part of the budget.
type message struct {
	data []byte
	hold *transport.Hold
}

// conn is one open stream as a transport.Conn.
type conn struct {
	cfg    *Config
	cancel context.CancelCauseFunc // ends its serving
	remote string                  // address of the client

	header http.Header            // of the GET
	token  atomic.Pointer[string] // that goes with the next message; nil for none

	in   chan message
	done chan struct{}
	once sync.Once
	last *transport.Hold // of what Read has returned last; of the reading goroutine

	leaving chan struct{} // closed by drain
	leave   sync.Once
	told    bool // Read has said so; of the reading goroutine

	waiting   atomic.Int64 // messages that are written or wait for it
	unwritten atomic.Int64 // and their bytes

	turn chan struct{} // holds one token while somebody writes
	w    httpio.Writer

	cutting sync.Mutex // guards what follows, and cutting a write off
	closed  bool       // w is not to be used any more
}

var (
	_ transport.Conn        = (*conn)(nil)
	_ transport.PartsWriter = (*conn)(nil)
	_ transport.Holder      = (*conn)(nil)
	_ transport.Remote      = (*conn)(nil)
	_ transport.Resumer     = (*conn)(nil)
)

func newConn(w http.ResponseWriter, r *http.Request, cfg *Config, cancel context.CancelCauseFunc) *conn {
	return &conn{
		w: httpio.Writer{W: w, Timeout: cfg.WriteTimeout}, cfg: cfg, cancel: cancel, remote: r.RemoteAddr, header: r.Header,
		in: make(chan message, queued), done: make(chan struct{}), leaving: make(chan struct{}),
		turn: make(chan struct{}, 1),
	}
}

// put hands a message to the stream's reader, and its hold too. It fails with
// [errEnded], with [errBusy] when the reader is too far behind for too long, or
// with ctx's cause; the stream has the message only when it does not fail.
func (c *conn) put(ctx context.Context, m message) error {
	m.hold.Keep() // before it may be read
	if err := c.enqueue(ctx, m); err != nil {
		m.hold.Release()
		return err
	}
	select {
	case <-c.done: // and nobody reads any more
		c.drop()
	default:
	}
	return nil
}

// drop releases the messages that nobody will read.
func (c *conn) drop() {
	for {
		select {
		case m := <-c.in:
			m.hold.Release()
		default:
			return
		}
	}
}

func (c *conn) enqueue(ctx context.Context, m message) error {
	select {
	case <-c.done:
		return errEnded
	default:
	}
	select {
	case c.in <- m:
		return nil
	default:
	}
	ctx, cancel := context.WithTimeoutCause(ctx, takeTimeout, errBusy)
	defer cancel()
	select {
	case c.in <- m:
		return nil
	case <-c.done:
		return errEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// take is what Read does with a message.
func (c *conn) take(m message) ([]byte, error) {
	c.last = m.hold
	return m.data, nil
}

// Hold implements [transport.Holder].
func (c *conn) Hold() *transport.Hold { return c.last }

// RemoteAddr implements [transport.Remote].
func (c *conn) RemoteAddr() string { return c.remote }

// Header implements [transport.Resumer].
func (c *conn) Header(name string) []string { return c.header[name] }

// Remember implements [transport.Resumer]: a browser, and who does as browsers do, sends
// the last id that it has got when it opens its stream again.
//
// WHATWG HTML, Server-sent events: Last-Event-ID.
func (c *conn) Remember(token string) { c.token.Store(&token) }

// id returns the id of the next event, "" for none: a client keeps the last one.
func (c *conn) id() string {
	if token := c.token.Swap(nil); token != nil {
		return *token
	}
	return ""
}

// Read implements [transport.Conn].
func (c *conn) Read() ([]byte, error) {
	select { // what was taken before a drain is a call in flight
	case m := <-c.in:
		return c.take(m)
	default:
	}
	leaving := c.leaving
	if c.told {
		leaving = nil
	}
	select {
	case m := <-c.in:
		return c.take(m)
	case <-c.done:
		return nil, io.EOF
	case <-leaving:
		c.told = true
		return nil, transport.ErrDraining
	}
}

// drain makes Read say so, once.
func (c *conn) drain() { c.leave.Do(func() { close(c.leaving) }) }

// Write implements [transport.Conn].
func (c *conn) Write(msg []byte) error { return c.event("message", msg) }

// WriteParts implements [transport.PartsWriter]. Parts that are not one line are
// put together first.
func (c *conn) WriteParts(parts [][]byte) error {
	for _, part := range parts {
		if bytes.ContainsAny(part, "\r\n") {
			return c.Write(bytes.Join(parts, nil))
		}
	}
	head := "event: message\n"
	if id := c.id(); id != "" {
		head += "id: " + id + "\n"
	}
	all := append([][]byte{[]byte(head + "data: ")}, parts...)
	return c.send(0, append(all, []byte("\n\n"))...)
}

func (c *conn) event(name string, data []byte) error {
	event := sse.Append(nil, sse.Event{ID: c.id(), Name: name, Data: data})
	return c.send(int64(len(event)), event)
}

func (c *conn) comment() {
	_ = c.send(0, []byte(sse.KeepAlive)) // a failure closes the stream
}

// send writes an event that takes so many bytes for itself. When too much waits
// for the client, the stream ends.
func (c *conn) send(size int64, parts ...[]byte) error {
	defer c.waiting.Add(-1)
	defer c.unwritten.Add(-size)
	if more := c.waiting.Add(1) > 1; c.unwritten.Add(size) > maxUnwritten && more {
		c.cancel(errUnread)
		c.end()
		c.cut()
		return errUnread
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-c.done:
		return transport.ErrClosed
	}
	select {
	case <-c.done:
		return transport.ErrClosed
	default:
	}
	var unread transport.Hold
	unread.Begin(c.cfg.Unread, c.remote)
	defer unread.Release()
	w := c.w
	w.Timeout = unread.Patience(int(size), w.Timeout)
	err := c.write(w, parts)
	if err != nil {
		c.end()
	}
	return err
}

// write writes and flushes; it is the caller's turn.
func (c *conn) write(w httpio.Writer, parts [][]byte) error {
	err := w.WriteParts(parts)
	if err == nil {
		err = w.Flush()
	}
	if err == nil && c.cfg.KeepAlive >= c.cfg.WriteTimeout { // else the next comment comes before the deadline
		w.Rest()
	}
	return err
}

// Close ends the stream after a write in progress.
func (c *conn) Close() error {
	c.end()
	c.turn <- struct{}{} // nothing may use the writer after the GET handler's return
	defer func() { <-c.turn }()
	c.cutting.Lock()
	defer c.cutting.Unlock()
	c.closed = true
	return nil
}

// cut makes a write in progress fail at once.
func (c *conn) cut() {
	c.cutting.Lock()
	defer c.cutting.Unlock()
	if !c.closed {
		c.w.Cut()
	}
}

func (c *conn) end() { c.once.Do(func() { close(c.done) }) }
