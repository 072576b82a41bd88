// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestApprovalAsks runs the example that asks the client for input, which it does by the same code in both eras.
func TestApprovalAsks(t *testing.T) {
	addr := freeAddress(t)
	s := serve(t, addr, binary(t, "examples/approval"), "-listen", addr)
	eachDialect(t, func(t *testing.T, d dialect) {
		p, _ := dial(t, d, s.url("/mcp"), accept("approve", true))
		tools := p.do(step{"op": "tools"}).names(t)
		asked := 0
		for _, name := range tools {
			r := p.do(step{"op": "call", "name": name, "args": approvalArguments})
			if slices.Contains(r.kinds(), "elicit") {
				asked++
			}
			if r.text(t) == "" {
				t.Errorf("%s says nothing: %s", name, r.Result)
			}
		}
		if asked == 0 {
			t.Errorf("none of the tools %q asked the client", tools)
		}
	})
}

// approvalArguments suit every tool of examples/approval.
var approvalArguments = step{}

// TestEchoExample calls the smallest example.
func TestEchoExample(t *testing.T) {
	addr := freeAddress(t)
	s := serve(t, addr, binary(t, "examples/echo"), "-listen", addr)
	eachDialect(t, func(t *testing.T, d dialect) {
		p, _ := dial(t, d, s.url("/mcp"), nil)
		if got := p.do(step{"op": "call", "name": "echo", "args": step{"text": "tide"}}).text(t); got != "tide" {
			t.Errorf("echo says %q", got)
		}
	})
}

// TestServersAskThroughTheGateway lets a legacy server behind the gateway ask clients of every era: all cells of
// client era × server era where the server is legacy.
func TestServersAskThroughTheGateway(t *testing.T) {
	g := newGateway(t)
	eachDialect(t, func(t *testing.T, d dialect) {
		p, _ := dial(t, d, g.url("/mcp"), accept("name", "Ada"))
		awaitTools(t, p, gatewayTools...)
		r := p.do(step{"op": "call", "name": "everything__trigger-elicitation-request", "args": step{}})
		if !slices.Contains(r.kinds(), "elicit") || !strings.Contains(r.text(t), "Name: Ada") {
			t.Errorf("elicitation: events %q, text %q", r.kinds(), r.text(t))
		}
		sampling := step{"prompt": "The capital of France?", "maxTokens": 20}
		r = p.do(step{"op": "call", "name": "everything__trigger-sampling-request", "args": sampling})
		if !slices.Contains(r.kinds(), "sample") || !strings.Contains(r.text(t), "Paris") {
			t.Errorf("sampling: events %q, text %q", r.kinds(), r.text(t))
		}
	})
}

// TestDemoServer uses what `holdfast serve` serves without a configuration.
func TestDemoServer(t *testing.T) {
	addr := freeAddress(t)
	s := serve(t, addr, binary(t, "cmd/holdfast"), "serve", "--listen", addr, "--data", t.TempDir())
	eachDialect(t, func(t *testing.T, d dialect) {
		p, _ := dial(t, d, s.url("/mcp"), accept("answer", "forty-two"))
		tools := p.do(step{"op": "tools"}).names(t)
		tool := func(name string) string {
			i := slices.IndexFunc(tools, func(tool string) bool { return tool == name || strings.HasSuffix(tool, "__"+name) })
			if i < 0 {
				t.Fatalf("no tool %s in %q", name, tools)
			}
			return tools[i]
		}
		if got := p.do(step{"op": "call", "name": tool("add"), "args": step{"a": 2, "b": 3}}).text(t); !strings.Contains(got, "5") {
			t.Errorf("add says %q", got)
		}
		r := p.do(step{"op": "call", "name": tool("sleep"), "args": step{"seconds": 1}, "progress": true})
		if !slices.Contains(r.kinds(), "progress") {
			t.Errorf("sleep: events %q", r.kinds())
		}
		start := time.Now()
		if r := p.try(step{"op": "call", "name": tool("sleep"), "args": step{"seconds": 20}, "cancelAfterMs": 200}); r.OK {
			t.Errorf("a cancelled sleep gave %s", r.Result)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("cancelling took %v", took)
		}
		r = p.do(step{"op": "call", "name": tool("ask"), "args": step{"question": "What is six by seven?"}})
		if !slices.Contains(r.kinds(), "elicit") || !strings.Contains(r.text(t), "forty-two") {
			t.Errorf("ask: events %q, text %q", r.kinds(), r.text(t))
		}
		watchResource(t, p)
	})
}

// watchResource subscribes to a resource that changes by itself and waits for the news.
func watchResource(t *testing.T, p *peer) {
	t.Helper()
	resources := p.do(step{"op": "resources"}).names(t)
	if len(resources) == 0 {
		t.Fatal("there is no resource")
	}
	p.do(step{"op": "subscribe", "uri": resources[0]})
	p.do(step{"op": "await", "kind": "updated", "timeoutMs": 15000})
	if p.do(step{"op": "read", "uri": resources[0]}).text(t) == "" {
		t.Errorf("%s is empty", resources[0])
	}
	p.do(step{"op": "unsubscribe", "uri": resources[0]})
}

// TestOldTransport uses the HTTP+SSE transport of 2024-11-05, on its own path.
func TestOldTransport(t *testing.T) {
	addr := freeAddress(t)
	s := serve(t, addr, binary(t, "cmd/holdfast"), "serve", "--listen", addr, "--data", t.TempDir())
	for _, kind := range []sdk{legacyTS, modernTS, goSDK} {
		t.Run(string(kind), func(t *testing.T) {
			p := startPeer(t, kind)
			p.do(step{"op": "connect", "transport": "sse", "url": s.url("/sse"), "era": "legacy", "answers": accept("answer", "yes")})
			tools := p.do(step{"op": "tools"}).names(t)
			i := slices.IndexFunc(tools, func(name string) bool { return strings.HasSuffix(name, "ask") })
			if i < 0 {
				t.Fatalf("tools are %q", tools)
			}
			r := p.do(step{"op": "call", "name": tools[i], "args": step{"question": "Still there?"}})
			if !slices.Contains(r.kinds(), "elicit") || !strings.Contains(r.text(t), "yes") {
				t.Errorf("events %q, text %q", r.kinds(), r.text(t))
			}
		})
	}
}
