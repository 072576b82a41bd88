// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package streamable

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/httpio"
	"github.com/holdfast-mcp/holdfast/internal/sse"
	"github.com/holdfast-mcp/holdfast/transport"
)

// exchange is one HTTP request as a transport.Exchange.
type exchange struct {
	w      http.ResponseWriter
	r      *http.Request
	ctx    context.Context // of what it brings
	cfg    *Config
	packed *deflated // of all exchanges
	body   []byte
	hold   transport.Hold // of body
	stream *stream
	broken bool // the answer has been broken off, see ReplyText
}

var (
	_ transport.Exchange     = (*exchange)(nil)
	_ transport.PartsReplier = (*exchange)(nil)
	_ transport.Holder       = (*exchange)(nil)
	_ transport.Remote       = (*exchange)(nil)
)

func (x *exchange) Context() context.Context    { return x.ctx }
func (x *exchange) Verb() string                { return x.r.Method }
func (x *exchange) Header(name string) []string { return x.r.Header[name] }
func (x *exchange) Body() []byte                { return x.body }
func (x *exchange) AcceptsStream() bool         { return takes(x.r.Header["Accept"], "text/event-stream") }

func (x *exchange) Hold() *transport.Hold { return &x.hold }
func (x *exchange) RemoteAddr() string    { return x.r.RemoteAddr }

func (x *exchange) Reply(status int, body []byte, headers ...string) {
	if body == nil {
		setHeaders(x.w.Header(), headers)
		x.writer().Begin()
		x.w.WriteHeader(status)
		return
	}
	var unread transport.Hold
	unread.Begin(x.cfg.Unread, x.r.RemoteAddr)
	defer unread.Release()
	w := x.writer()
	w.Timeout = unread.Patience(len(body), w.Timeout)
	x.begin(status, len(body), headers)
	_, _ = w.Write(body) // a client that left has no use for the answer
}

// ReplyParts implements [transport.PartsReplier].
func (x *exchange) ReplyParts(parts [][]byte, headers ...string) {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	if takesGzip(x.r.Header["Accept-Encoding"]) {
		if member, n := x.packed.gzip(parts); member != nil {
			parts, size = member, n
			x.w.Header().Set("Content-Encoding", "gzip")
		}
	}
	x.begin(http.StatusOK, size, headers)
	_ = x.writer().WriteParts(parts) // a client that left has no use for the answer
}

// begin begins an answer with a JSON body of so many bytes.
func (x *exchange) begin(status, size int, headers []string) {
	h := x.w.Header()
	setHeaders(h, headers)
	h["Content-Type"] = jsonType
	if size > wholeAnswer {
		h["Content-Length"] = []string{strconv.Itoa(size)}
	}
	x.w.WriteHeader(status)
}

// wholeAnswer is up to how many bytes net/http sees all of an answer, and gives it its
// Content-Length itself.
const wholeAnswer = 1 << 10

// writer returns what writes to the client, who may take its time.
func (x *exchange) writer() httpio.Writer {
	x.hold.Leave()
	return httpio.Writer{W: x.w, Timeout: x.cfg.WriteTimeout}
}

func (x *exchange) Stream(headers ...string) transport.Stream {
	h := x.w.Header()
	setHeaders(h, headers)
	h["Content-Type"] = streamType
	h["Cache-Control"] = []string{"no-cache, no-transform"}
	h["X-Accel-Buffering"] = []string{"no"} // nginx and its kin would hold events back
	x.w.WriteHeader(http.StatusOK)
	s := &stream{x: x, w: x.writer(), keepAlive: x.cfg.KeepAlive, last: time.Now(), done: make(chan struct{}), gone: x.r.Context()}
	if err := s.w.Flush(); err != nil {
		s.Close()
	}
	x.stream = s
	return s
}

// wait holds the request open while its stream is, and keeps it alive. An answer
// that was broken off is ended so that its client knows.
func (x *exchange) wait() {
	s := x.stream
	if s == nil {
		if x.broken {
			panic(http.ErrAbortHandler)
		}
		return
	}
	defer func() {
		s.Close() // no write may follow the handler's return
		if s.broken {
			panic(http.ErrAbortHandler)
		}
	}()
	timer := time.NewTimer(s.keepAlive)
	defer timer.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-x.r.Context().Done():
			return
		case <-timer.C:
			timer.Reset(s.tick())
		}
	}
}

var (
	jsonType   = []string{"application/json"}
	streamType = []string{"text/event-stream"}
)

func setHeaders(h http.Header, pairs []string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
}

// stream is the response body of an exchange that became an event stream.
type stream struct {
	x         *exchange
	keepAlive time.Duration
	done      chan struct{}
	gone      context.Context // ends when the client has gone

	mu     sync.Mutex // guards the writer and what follows
	w      httpio.Writer
	closed bool
	broken bool      // within an event, see SendText
	last   time.Time // of the last write
	buf    []byte
}

var _ transport.Stream = (*stream)(nil)

func (s *stream) Send(e transport.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return transport.ErrClosed
	}
	s.buf = sse.Append(s.buf[:0], sse.Event{ID: e.ID, Name: e.Name, Data: e.Data, Retry: e.Retry})
	err := s.write(s.buf)
	if cap(s.buf) > 64<<10 {
		s.buf = nil // one large event must not pin its buffer for the life of the stream
	}
	return err
}

// tick writes a comment when the stream has been quiet for long enough, and
// returns when to look again.
func (s *stream) tick() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return s.keepAlive
	}
	if quiet := time.Since(s.last); quiet < s.keepAlive {
		return s.keepAlive - quiet
	}
	_ = s.write([]byte(sse.KeepAlive)) // a failure closes the stream
	return s.keepAlive
}

// write sends and flushes; s.mu is held. A failed or timed-out write ends the stream.
func (s *stream) write(p []byte) error {
	s.last = time.Now()
	var unread transport.Hold
	unread.Begin(s.x.cfg.Unread, s.x.r.RemoteAddr)
	defer unread.Release()
	s.w.Timeout = unread.Patience(len(p), s.x.cfg.WriteTimeout)
	_, err := s.w.Write(p)
	if err == nil {
		err = s.w.Flush()
	}
	switch {
	case err != nil:
		s.closeLocked()
	case s.keepAlive >= s.w.Timeout: // else the next comment comes before the deadline
		s.w.Rest()
	}
	return err
}

func (s *stream) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLocked()
}

func (s *stream) closeLocked() {
	if !s.closed {
		s.closed = true
		s.w.Begin() // the server writes the end of the stream
		close(s.done)
	}
}

func (s *stream) Done() <-chan struct{} { return s.done }
