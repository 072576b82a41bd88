// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/sse"
	"github.com/holdfast-mcp/holdfast/transport"
)

// exchange is a transport.Exchange in memory that writes down what is answered.
type exchange struct {
	ctx    context.Context
	verb   string
	node   string // which serves it
	header http.Header
	body   []byte

	mu     sync.Mutex
	out    []string
	stream *stream
	status int
	reply  http.Header
}

type stream struct {
	x    *exchange
	once sync.Once
	done chan struct{}
}

func newExchange(verb, body string, principal *rpc.Principal) *exchange {
	ctx := context.Background()
	if principal != nil {
		ctx = rpc.WithPrincipal(ctx, principal)
	}
	return &exchange{ctx: ctx, verb: verb, header: http.Header{}, body: []byte(body), reply: http.Header{}}
}

func (x *exchange) Context() context.Context    { return x.ctx }
func (x *exchange) Verb() string                { return x.verb }
func (x *exchange) Header(name string) []string { return x.header[name] }
func (x *exchange) Body() []byte                { return x.body }

func (x *exchange) AcceptsStream() bool {
	return strings.Contains(x.header.Get("Accept"), "text/event-stream")
}

func (x *exchange) Reply(status int, body []byte, headers ...string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.begin(status)
	line := fmt.Sprint(status)
	for i := 0; i < len(headers); i += 2 {
		x.reply.Set(headers[i], headers[i+1])
		line += fmt.Sprintf(" %s: %s", headers[i], headers[i+1])
	}
	x.out = append(x.out, line)
	if body != nil {
		x.out = append(x.out, string(body))
	}
}

func (x *exchange) begin(status int) {
	if x.status != 0 {
		panic("answered twice")
	}
	x.status = status
}

func (x *exchange) Stream(...string) transport.Stream {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.begin(200)
	x.stream = &stream{x: x, done: make(chan struct{})}
	x.out = append(x.out, "200 stream")
	return x.stream
}

// take returns what was written down since the last time.
func (x *exchange) take() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := x.out
	x.out = nil
	return out
}

// leave is what a client does that goes away.
func (x *exchange) leave() {
	x.mu.Lock()
	s := x.stream
	x.mu.Unlock()
	if s == nil {
		return
	}
	s.once.Do(func() { close(s.done) })
}

func (s *stream) Send(e transport.Event) error {
	select {
	case <-s.done:
		return transport.ErrClosed
	default:
	}
	text := string(sse.Append(nil, sse.Event{ID: e.ID, Name: e.Name, Data: e.Data, Retry: e.Retry}))
	s.x.mu.Lock()
	defer s.x.mu.Unlock()
	s.x.out = append(s.x.out, strings.ReplaceAll(strings.TrimSuffix(text, "\n\n"), "\n", " | "))
	return nil
}

func (s *stream) Close() {
	s.once.Do(func() {
		s.x.mu.Lock()
		s.x.out = append(s.x.out, "closed")
		s.x.mu.Unlock()
		close(s.done)
	})
}

func (s *stream) Done() <-chan struct{} { return s.done }
