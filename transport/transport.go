// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package transport declares how messages reach an engine and how answers go
// back, whatever carries them: a Conn is a stream of messages in both
// directions (stdio, HTTP+SSE, WebSocket, a pipe), an Exchange is one request
// with its replies (Streamable HTTP). Engines serve them; the packages below
// this one implement them. No protocol version is known here.
package transport

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// ErrClosed reports the use of a Conn or Stream after its end.
var ErrClosed = errors.New("transport is closed")

// ErrTooLarge reports a message over the size limit. The Conn stays usable.
var ErrTooLarge = errors.New("message is over the size limit")

// TooLarge is an [ErrTooLarge] about a message whose id is known.
type TooLarge struct{ ID jsonrpc.ID }

// Error says which message it is.
func (e *TooLarge) Error() string { return ErrTooLarge.Error() + ": id " + e.ID.String() }

// Is makes it an ErrTooLarge.
func (e *TooLarge) Is(err error) bool { return err == ErrTooLarge }

// TooLargeID returns the id of the message that err is about, the zero ID if that is
// not known.
func TooLargeID(err error) jsonrpc.ID {
	if e, ok := errors.AsType[*TooLarge](err); ok {
		return e.ID
	}
	return jsonrpc.ID{}
}

// FromLine returns err as a Conn of lines returns it: that of an over-long line
// becomes an [ErrTooLarge].
func FromLine(err error) error {
	switch long, ok := errors.AsType[*jsonrpc.LongLine](err); {
	case ok && !long.ID.IsZero():
		return &TooLarge{ID: long.ID}
	case ok:
		return ErrTooLarge
	}
	return err
}

// ErrDraining reports that the Conn is to end: it takes no new calls, and is to be
// closed once those in flight have been answered. The Conn stays usable for that.
var ErrDraining = errors.New("transport is draining")

// Server serves Conns and Exchanges. An engine is one.
type Server interface {
	// ServeConn serves c until its peer leaves or ctx ends, then closes it. It
	// returns nil on a regular end.
	ServeConn(ctx context.Context, c Conn) error
	// ServeExchange answers x. It may return with x's Stream still open.
	ServeExchange(x Exchange)
}

// Conn is a stream of messages, each a JSON text of one message or batch.
type Conn interface {
	// Read returns the next message, io.EOF when the peer has left,
	// [ErrTooLarge] after skipping a message over the limit, or, at most once,
	// [ErrDraining]. One goroutine reads; Close unblocks it. The caller owns the
	// bytes.
	Read() ([]byte, error)
	// Write sends one message. It is safe for concurrent use, does not keep msg,
	// and fails once the Conn is closed.
	Write(msg []byte) error
	// Close ends both directions. It is idempotent and safe for concurrent use.
	Close() error
}

// Resumer is a Conn whose client opens another one by itself when it ends, and can
// bring along what it was given.
type Resumer interface {
	// Header returns the values of a header of the request that opened the Conn, by
	// canonical name: with what a client brings along it says that it is not new.
	Header(name string) []string
	// Remember gives the client a token with the next message that is written, which it
	// brings along as Last-Event-ID. It is text without white space or control characters.
	Remember(token string)
}

// Exchange is one request and the way its answer goes back. Its methods are for
// one goroutine at a time; exactly one of Reply and Stream is called.
type Exchange interface {
	// Context ends when the client has gone.
	Context() context.Context
	// Verb is "POST", "GET" or "DELETE".
	Verb() string
	// Header returns the values of a request header, by canonical name.
	Header(name string) []string
	// Body returns the request's body, at most the transport's limit.
	Body() []byte
	// AcceptsStream reports whether the client takes an event stream as answer.
	AcceptsStream() bool
	// Reply answers with a status, extra headers as name, value pairs, and a JSON
	// body, nil for none. It does not keep body.
	Reply(status int, body []byte, headers ...string)
	// Stream answers with status 200 and an event stream that stays open until it
	// is closed or the client leaves.
	Stream(headers ...string) Stream
}

// Stream is an open event stream to the client. It is safe for concurrent use.
type Stream interface {
	// Send writes one event and flushes it. It does not keep e.Data. It blocks at
	// most for the transport's write timeout, after which the stream is closed.
	Send(e Event) error
	// Close ends the stream; idempotent.
	Close()
	// Done is closed when the stream has ended, from either side.
	Done() <-chan struct{}
}

// PartsReplier is an Exchange whose answer can be in parts, which are sent as they
// are: what many answers share need not be copied for each. As it is there anyway,
// it does not count as waiting for its client.
type PartsReplier interface {
	// ReplyParts is Reply with status 200 and the parts, one after the other, as JSON
	// body. It keeps none of them, but what it makes of a part of 2 KiB or more, which
	// must never change.
	ReplyParts(parts [][]byte, headers ...string)
}

// PartsWriter is a Conn whose messages can be in parts, as with [PartsReplier].
type PartsWriter interface {
	// WriteParts is Write with the parts, one after the other, as message.
	WriteParts(parts [][]byte) error
}

// Text is a JSON text on one line that is produced while it is sent.
type Text interface {
	// WriteTo writes the text. An error means that what has been written is not
	// all of it.
	io.WriterTo
	// Close makes a WriteTo that is running return soon. It is idempotent and safe
	// for concurrent use.
	io.Closer
}

// TextReplier is an Exchange whose answer can be produced while it is sent.
type TextReplier interface {
	// ReplyText answers with status 200 and text as JSON body, which it closes. It
	// returns when the text has been sent, or with an error: begun then says whether
	// the client has seen a part of it. If so, the answer is broken off in a way that
	// no client takes for its end; if not, Reply or Stream may still be called.
	// The client must take every part of the text within the transport's write
	// timeout; the text is closed when it does not, or leaves.
	ReplyText(text Text, headers ...string) (begun bool, err error)
}

// TextSender is a Stream with events that can be produced while they are sent.
type TextSender interface {
	// SendText is Send with text, which it closes, as the data of e. begun and err
	// are as in [TextReplier]: when the event has been broken off, so is the stream.
	SendText(e Event, text Text) (begun bool, err error)
}

// Event is one server-sent event.
type Event struct {
	ID    string        // "" for none
	Name  string        // "" means "message"
	Data  []byte        // a JSON text, or nil for an event that only carries an id
	Retry time.Duration // 0 for none; the reconnection delay the client should use
}
