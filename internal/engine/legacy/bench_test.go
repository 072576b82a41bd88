// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/engine/legacy"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// discard is an exchange whose answer nobody reads.
type discard struct {
	ctx     context.Context
	header  http.Header
	body    []byte
	session string
}

func (d *discard) Context() context.Context          { return d.ctx }
func (d *discard) Verb() string                      { return "POST" }
func (d *discard) Header(name string) []string       { return d.header[name] }
func (d *discard) Body() []byte                      { return d.body }
func (d *discard) AcceptsStream() bool               { return true }
func (d *discard) Stream(...string) transport.Stream { panic("no stream expected") }
func (d *discard) Reply(_ int, _ []byte, h ...string) {
	if len(h) == 2 && h[0] == mcp.HeaderSessionID {
		d.session = h[1]
	}
}

var echoed = rpc.Result{Body: rpc.Raw(`{"content":[{"type":"text","text":"hello, world"}]}`)}

// list is the answer to tools/list, shared or not as the benchmark wants it.
var list rpc.Result

func echo(_ context.Context, call *rpc.Call) (rpc.Result, error) {
	if call.Method == mcp.MethodDiscover {
		return rpc.Result{Body: rpc.Raw(discovery)}, nil
	}
	if call.Method == mcp.MethodListTools {
		return list, nil
	}
	return echoed, nil
}

func benchmarkServer(b *testing.B, version string) (*engine.Engine, string) {
	p := legacy.New(legacy.Config{Handler: rpc.HandlerFunc(echo)})
	b.Cleanup(func() { _ = p.Drain(context.Background()) })
	e := engine.New(jsonrpc.DefaultLimits(), nil, p)
	x := &discard{ctx: context.Background(), header: http.Header{}, body: []byte(
		`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"` + version + `","capabilities":{"sampling":{},"elicitation":{}},"clientInfo":{"name":"bench","version":"1"}}}`)}
	e.ServeExchange(x)
	return e, x.session
}

const benchCall = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello, world"}}}`

// BenchmarkPost measures a tools/call from bytes to bytes, without net/http.
func BenchmarkPost(b *testing.B) {
	for name, body := range map[string]string{"tools": benchCall, "ping": `{"jsonrpc":"2.0","id":1,"method":"ping"}`} {
		b.Run("method="+name, func(b *testing.B) {
			e, token := benchmarkServer(b, "2025-11-25")
			x := &discard{ctx: context.Background(), body: []byte(body), header: http.Header{mcp.HeaderSessionID: {token},
				mcp.HeaderProtocolVersion: {"2025-11-25"}}}
			b.ReportAllocs()
			for b.Loop() {
				e.ServeExchange(x)
			}
		})
	}
}

// BenchmarkInitialize measures the creation of a session.
func BenchmarkInitialize(b *testing.B) {
	e, _ := benchmarkServer(b, "2025-11-25")
	x := &discard{ctx: context.Background(), header: http.Header{}, body: []byte(
		`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`)}
	b.ReportAllocs()
	for b.Loop() {
		e.ServeExchange(x)
	}
}

// BenchmarkList is one tools/list of a thousand tools, converted for each call
// and from a body that is shared.
func BenchmarkList(b *testing.B) {
	body := rpc.Raw(`{"tools":[`)
	for i := range 1000 {
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"name":"server__tool_%d","title":"Tool","description":"Does what number %d does, well and with care","inputSchema":{"type":"object","properties":{"text":{"type":"string","description":"what to work on"}},"required":["text"]},"icons":[{"src":"https://icons.example/a.png"}],"_meta":{"x.example/a":true}}`, i, i)
	}
	body = append(body, "]}"...)
	for _, version := range []string{"2025-06-18", "2025-11-25"} {
		for _, shared := range []*rpc.Shared{nil, {}} {
			b.Run(fmt.Sprintf("version=%s/shared=%t", version, shared != nil), func(b *testing.B) {
				list = rpc.Result{Body: body, Shared: shared}
				e, token := benchmarkServer(b, version)
				x := &discard{ctx: context.Background(), body: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`),
					header: http.Header{mcp.HeaderSessionID: {token}, mcp.HeaderProtocolVersion: {version}}}
				b.ReportAllocs()
				for b.Loop() {
					e.ServeExchange(x)
				}
			})
		}
	}
}
