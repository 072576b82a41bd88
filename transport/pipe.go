// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"io"
	"sync"
)

// Pipe returns two connected Conns in memory. What one side writes the other
// reads, in order; a writer waits while the reader is 64 messages behind.
func Pipe() (Conn, Conn) {
	a, b := make(chan []byte, 64), make(chan []byte, 64)
	aDone, bDone := make(chan struct{}), make(chan struct{})
	return &pipeConn{in: a, out: b, done: aDone, peer: bDone},
		&pipeConn{in: b, out: a, done: bDone, peer: aDone}
}

type pipeConn struct {
	in, out    chan []byte
	done, peer chan struct{} // closed when this side, or the other, has closed
	once       sync.Once
}

func (p *pipeConn) Read() ([]byte, error) {
	select {
	case msg := <-p.in:
		return msg, nil
	default:
	}
	select {
	case msg := <-p.in:
		return msg, nil
	case <-p.done:
		return nil, ErrClosed
	case <-p.peer:
		select { // what was written before the close is still delivered
		case msg := <-p.in:
			return msg, nil
		default:
			return nil, io.EOF
		}
	}
}

func (p *pipeConn) Write(msg []byte) error {
	owned := append([]byte(nil), msg...)
	select {
	case <-p.done:
		return ErrClosed
	case <-p.peer:
		return ErrClosed
	default:
	}
	select {
	case p.out <- owned:
		return nil
	case <-p.done:
		return ErrClosed
	case <-p.peer:
		return ErrClosed
	}
}

func (p *pipeConn) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}
