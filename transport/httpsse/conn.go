// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpsse

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/sse"
	"github.com/holdfast-mcp/holdfast/transport"
)

// queued is how many messages may wait for a stream's reader; whoever brings
// another one waits.
const queued = 16

// conn is one open stream as a transport.Conn.
type conn struct {
	rc      *http.ResponseController
	timeout time.Duration
	cancel  context.CancelCauseFunc // ends its serving

	in   chan []byte
	done chan struct{}
	once sync.Once

	leaving chan struct{} // closed by drain
	leave   sync.Once
	told    bool // Read has said so; of the reading goroutine

	mu sync.Mutex // guards the writer
	w  http.ResponseWriter
}

var _ transport.Conn = (*conn)(nil)

func newConn(w http.ResponseWriter, timeout time.Duration, cancel context.CancelCauseFunc) *conn {
	return &conn{
		w: w, rc: http.NewResponseController(w), timeout: timeout, cancel: cancel,
		in: make(chan []byte, queued), done: make(chan struct{}), leaving: make(chan struct{}),
	}
}

// put hands a message to the stream's reader. It fails with [errEnded], or with
// ctx's cause while the reader is too far behind; the stream has the message
// only when it does not fail.
func (c *conn) put(ctx context.Context, msg []byte) error {
	select {
	case <-c.done:
		return errEnded
	default:
	}
	select {
	case c.in <- msg:
		return nil
	case <-c.done:
		return errEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Read implements [transport.Conn].
func (c *conn) Read() ([]byte, error) {
	select { // what was taken before a drain is a call in flight
	case msg := <-c.in:
		return msg, nil
	default:
	}
	leaving := c.leaving
	if c.told {
		leaving = nil
	}
	select {
	case msg := <-c.in:
		return msg, nil
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

func (c *conn) event(name string, data []byte) error {
	return c.send(sse.Append(nil, sse.Event{Name: name, Data: data}))
}

func (c *conn) comment() {
	_ = c.send([]byte(sse.KeepAlive)) // a failure closes the stream
}

func (c *conn) send(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.done:
		return transport.ErrClosed
	default:
	}
	_ = c.rc.SetWriteDeadline(time.Now().Add(c.timeout)) // unsupported by some writers; then TCP's own timeout rules
	_, err := c.w.Write(p)
	if err == nil {
		err = c.rc.Flush()
	}
	if err != nil {
		c.end()
	}
	return err
}

// Close ends the stream after a write in progress.
func (c *conn) Close() error {
	c.end()
	c.mu.Lock()
	defer c.mu.Unlock() // no write may follow the GET handler's return
	return nil
}

func (c *conn) end() { c.once.Do(func() { close(c.done) }) }
