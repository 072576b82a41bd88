// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"
	"fmt"
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/transport"
)

// echo answers at once with a small body.
var echo = rpc.HandlerFunc(func(context.Context, *rpc.Call) (rpc.Result, error) {
	return rpc.Result{Body: Raw(`{"content":[{"type":"text","text":"hello"}]}`)}, nil
})

// sink is the cheapest Exchange there is.
type sink struct {
	ctx    context.Context
	header map[string][]string
	body   []byte
	status int
}

func (s *sink) Context() context.Context                { return s.ctx }
func (s *sink) Verb() string                            { return "POST" }
func (s *sink) Header(name string) []string             { return s.header[name] }
func (s *sink) Body() []byte                            { return s.body }
func (s *sink) AcceptsStream() bool                     { return true }
func (s *sink) Reply(status int, _ []byte, _ ...string) { s.status = status }
func (s *sink) Stream(...string) transport.Stream       { panic("not here") }

func newSink(ctx context.Context) *sink {
	return &sink{
		ctx: ctx, body: []byte(callBody("echo", 1, `,"arguments":{"text":"hello"}`)),
		header: map[string][]string{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/call"}, "Mcp-Name": {"echo"}},
	}
}

// BenchmarkPost is one tools/call from classified message to answer.
func BenchmarkPost(b *testing.B) { benchmark(b, false) }

// BenchmarkServeExchange is the same with reading the message.
func BenchmarkServeExchange(b *testing.B) { benchmark(b, true) }

func benchmark(b *testing.B, whole bool) {
	p := New(Config{Handler: echo})
	defer p.Close()
	e := engine.New(jsonrpc.DefaultLimits(), p.cfg.Log, p)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	s := newSink(ctx)
	catch := &catcher{Protocol: p}
	engine.New(jsonrpc.DefaultLimits(), p.cfg.Log, catch).ServeExchange(s)
	b.ReportAllocs()
	for b.Loop() {
		if whole {
			e.ServeExchange(s)
		} else {
			p.Post(s, catch.in)
		}
	}
	if s.status != 200 {
		b.Fatal(s.status)
	}
}

// catcher keeps the message that an engine would have posted.
type catcher struct {
	*Protocol
	in *engine.Inbound
}

func (c *catcher) Post(_ transport.Exchange, in *engine.Inbound) { c.in = in }

// BenchmarkList is one tools/list of a thousand tools, converted for each call
// and from a body that is shared.
func BenchmarkList(b *testing.B) {
	body := Raw(`{"tools":[`)
	for i := range 1000 {
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"name":"server__tool_%d","title":"Tool","description":"Does what number %d does, well and with care","inputSchema":{"type":"object","properties":{"text":{"type":"string","description":"what to work on"}},"required":["text"]},"execution":{"taskSupport":"optional"},"_meta":{"x.example/a":true}}`, i, i)
	}
	body = append(body, "]}"...)
	for _, shared := range []*rpc.Shared{nil, {}} {
		b.Run(fmt.Sprintf("shared=%t", shared != nil), func(b *testing.B) {
			p := New(Config{Handler: rpc.HandlerFunc(func(context.Context, *rpc.Call) (rpc.Result, error) {
				return rpc.Result{Body: body, Shared: shared}, nil
			})})
			defer p.Close()
			e := engine.New(jsonrpc.DefaultLimits(), p.cfg.Log, p)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			s := &sink{
				ctx: ctx, body: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":` + usualMeta + `}}`), header: map[string][]string{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/list"}},
			}
			b.ReportAllocs()
			for b.Loop() {
				e.ServeExchange(s)
			}
			if s.status != 200 {
				b.Fatal(s.status)
			}
		})
	}
}
