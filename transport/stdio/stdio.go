// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package stdio carries messages as lines over a pair of byte streams: a
// program's standard input and output, or a child's. It starts no goroutine;
// who calls Read owns the reading.
//
// spec 2026-07-28 basic/transports/stdio.
package stdio

import (
	"errors"
	"io"
	"os"
	"sync"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/transport"
)

// New returns a Conn of lines of at most max bytes. Closing the Conn closes
// those of r and w that are io.Closers, w first, so that a peer sees the end of
// its input before anything else. For Close to unblock a Read, closing r must.
func New(r io.Reader, w io.Writer, max int) transport.Conn {
	return &conn{in: jsonrpc.NewLineReader(r, max), out: jsonrpc.NewLineWriter(w), r: r, w: w, done: make(chan struct{})}
}

type conn struct {
	in   *jsonrpc.LineReader
	out  *jsonrpc.LineWriter
	r    io.Reader
	w    io.Writer
	once sync.Once
	done chan struct{}
	err  error
}

func (c *conn) Read() ([]byte, error) {
	msg, err := c.in.Read()
	switch {
	case err == nil:
		return msg, nil
	case errors.Is(err, jsonrpc.ErrLineTooLong):
		return nil, transport.FromLine(err)
	case c.closed(), errors.Is(err, os.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return nil, transport.ErrClosed
	}
	return nil, err
}

func (c *conn) Write(msg []byte) error {
	if c.closed() {
		return transport.ErrClosed
	}
	return c.out.Write(msg)
}

func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.done)
		for _, s := range []any{c.w, c.r} {
			if closer, ok := s.(io.Closer); ok {
				c.err = errors.Join(c.err, closer.Close())
			}
		}
	})
	return c.err
}

func (c *conn) closed() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
