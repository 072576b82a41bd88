// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package websocket

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// wire is the byte stream below a connection. It closes itself when a write
// makes no progress, and knows whether anything arrives. Writes are one at a time.
type wire struct {
	stream  io.ReadWriteCloser
	timeout time.Duration
	stall   *time.Timer  // runs during a write
	stalled atomic.Bool  // a write made no progress
	hurry   atomic.Int64 // messages that must be read at once; then timeout is a second
	reads   atomic.Int64 // reads that brought something
}

func newWire(stream io.ReadWriteCloser, timeout time.Duration) *wire {
	w := &wire{stream: stream, timeout: timeout}
	w.stall = time.AfterFunc(timeout, func() {
		w.stalled.Store(true)
		w.cut()
	})
	w.stall.Stop()
	return w
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.stream.Read(p)
	if n > 0 {
		w.reads.Add(1)
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	timeout := w.timeout
	if w.hurry.Load() > 0 {
		timeout = min(timeout, time.Second)
	}
	w.stall.Reset(timeout)
	defer w.stall.Stop()
	return w.stream.Write(p)
}

func (w *wire) Close() error { return w.stream.Close() }

// cut ends the stream without a word.
func (w *wire) cut() {
	w.stream.Close() // whoever reads or writes learns of it
}

// interrupt makes a blocked Read, and later ones, fail with a timeout while
// writes go on; on is false to end that. Streams that cannot do it are not
// interrupted.
func (w *wire) interrupt(on bool) {
	c, ok := w.stream.(net.Conn)
	if !ok {
		return
	}
	var deadline time.Time
	if on {
		deadline = time.Unix(1, 0)
	}
	_ = c.SetReadDeadline(deadline) // fails only when the stream has ended
}

// wiredConn is a hijacked connection whose bytes go through its wire.
type wiredConn struct {
	net.Conn
	wire *wire
}

func (c *wiredConn) Read(p []byte) (int, error)  { return c.wire.Read(p) }
func (c *wiredConn) Write(p []byte) (int, error) { return c.wire.Write(p) }

// upgrader is a ResponseWriter that puts a wire below the connection it gives away.
type upgrader struct {
	http.ResponseWriter
	hijacker http.Hijacker
	timeout  time.Duration
	wire     *wire // nil before Hijack
}

// Hijack implements [http.Hijacker].
func (u *upgrader) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, buffered, err := u.hijacker.Hijack()
	if err != nil {
		return nil, nil, err
	}
	u.wire = newWire(c, u.timeout)
	buffered.Writer.Reset(u.wire)
	return &wiredConn{c, u.wire}, buffered, nil
}

// hijackerOf finds who can give the connection away, nil if nobody can.
func hijackerOf(w http.ResponseWriter) http.Hijacker {
	for {
		switch t := w.(type) {
		case http.Hijacker:
			return t
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return nil
		}
	}
}

// wiring is a RoundTripper that puts a wire below the connection of an upgrade
// to the sub-protocol, and closes that of another.
type wiring struct {
	http.RoundTripper
	timeout time.Duration
	wire    *wire // nil before an upgrade
}

// RoundTrip implements [http.RoundTripper].
func (w *wiring) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := w.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return res, nil
	}
	if !agreed(res) {
		res.Body.Close()
		res.Body = http.NoBody
	} else if stream, ok := res.Body.(io.ReadWriteCloser); ok {
		w.wire = newWire(stream, w.timeout)
		res.Body = w.wire
	}
	return res, nil
}

// agreed reports whether a server chose the sub-protocol.
func agreed(res *http.Response) bool {
	return strings.EqualFold(res.Header.Get("Sec-WebSocket-Protocol"), subprotocol)
}
