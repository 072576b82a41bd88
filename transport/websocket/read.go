// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	ws "github.com/coder/websocket"

	"github.com/holdfast-mcp/holdfast/transport"
)

// arrivalPart of a message gives it a second more to arrive.
const arrivalPart = 64 << 10

// errNotText reports a message that is not UTF-8.
var errNotText = errors.New("text is not UTF-8")

// Read implements [transport.Conn], except that a message over the limit ends
// the connection: RFC 6455 §7.4.1 has a status for it.
func (c *conn) Read() ([]byte, error) {
	switch {
	case c.ended():
		return nil, c.err
	case c.draining.Load():
		return nil, c.drained()
	}
	c.reading.Store(true)
	defer c.reading.Store(false)
	kind, r, err := c.ws.Reader(context.Background()) // Close unblocks it
	if err != nil {
		return nil, c.readFailed(err)
	}
	if kind != ws.MessageText {
		return nil, c.refuse(ws.StatusUnsupportedData, "binary messages are not accepted; send text")
	}
	if c.late != nil {
		c.late.Reset(c.lim.arrival)
		defer c.late.Stop()
	}
	msg, hold, err := c.readAll(r)
	if err == nil && !utf8.Valid(msg) {
		err = errNotText
	}
	if err != nil {
		hold.Release()
		return nil, c.readFailed(err)
	}
	c.hold = hold
	c.touch()
	return msg, nil
}

// Hold implements [transport.Holder].
func (c *conn) Hold() *transport.Hold { return c.hold }

// RemoteAddr implements [transport.Remote].
func (c *conn) RemoteAddr() string { return c.remote }

// readAll reads one message into memory of its own.
func (c *conn) readAll(r io.Reader) ([]byte, *transport.Hold, error) {
	var hold *transport.Hold // nil for a small one
	buf, began, next := c.buf[:0], time.Now(), arrivalPart
	for {
		if len(buf) == cap(buf) {
			larger := make([]byte, len(buf), max(512, 2*len(buf)))
			if hold == nil && cap(larger) > keptBuffer {
				hold = &transport.Hold{}
				hold.Begin(c.lim.budget, c.remote)
			}
			if err := hold.Grow(cap(larger)); err != nil {
				return nil, hold, err
			}
			copy(larger, buf)
			buf = larger
		}
		n, err := r.Read(buf[len(buf):min(cap(buf), len(buf)+arrivalPart)]) // in parts: Read waits for all that it is asked for
		buf = buf[:len(buf)+n]
		switch {
		case errors.Is(err, io.EOF) && cap(buf) <= keptBuffer:
			c.buf = buf
			return bytes.Clone(buf), nil, nil
		case errors.Is(err, io.EOF):
			c.buf = nil
			return buf, hold, nil
		case err != nil:
			return nil, hold, err
		case len(buf) >= next && c.late != nil:
			parts := len(buf) / arrivalPart
			next = (parts + 1) * arrivalPart
			c.late.Reset(time.Until(began.Add(c.lim.arrival + time.Duration(parts)*time.Second)))
		}
	}
}

// readFailed ends the connection that a read failed on and says why it did.
func (c *conn) readFailed(err error) error {
	status := ws.CloseStatus(err)
	switch {
	case c.draining.Load() && errors.Is(err, os.ErrDeadlineExceeded):
		return c.drained() // with the way out still open
	case errors.Is(err, errNotText):
		return c.refuse(ws.StatusInvalidFramePayloadData, errNotText.Error())
	case errors.Is(err, transport.ErrBusy):
		return c.refuse(ws.StatusTryAgainLater, "too many messages are being served; connect again in a while")
	case errors.Is(err, ws.ErrMessageTooBig):
		return c.refuse(ws.StatusMessageTooBig, fmt.Sprintf("message is over the limit of %d bytes", c.lim.maxMessage))
	case status == ws.StatusNormalClosure || status == ws.StatusGoingAway || status == ws.StatusNoStatusRcvd:
		c.end(0, "", io.EOF)
	default:
		if ce, ok := errors.AsType[ws.CloseError](err); ok {
			c.end(0, "", &CloseError{Status: int(ce.Code), Reason: ce.Reason})
		} else {
			c.end(0, "", fmt.Errorf("%w: %v", ErrLost, err)) // no io.EOF in the chain: that is the regular end
		}
	}
	return c.err // what ended it first counts
}

// refuse ends the connection for what the peer sent.
func (c *conn) refuse(status ws.StatusCode, why string) error {
	c.end(status, why, fmt.Errorf("%w: %s", ErrMessage, why))
	return c.err
}
