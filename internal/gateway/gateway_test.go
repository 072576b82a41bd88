// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// scripted is a backend whose answers are given by method; a missing one is not offered.
type scripted struct {
	name    string
	answers map[string]string
	err     atomic.Pointer[error]
	calls   atomic.Int64
}

func (s *scripted) Name() string                              { return s.name }
func (s *scripted) Start(context.Context) error               { return nil }
func (s *scripted) Close() error                              { return nil }
func (s *scripted) Watch(context.Context, string, bool) error { return nil }
func (s *scripted) Status() backend.Status                    { return backend.Status{Up: true} }
func (s *scripted) Release(string)                            {}

func (s *scripted) Handle(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	s.calls.Add(1)
	if err := s.err.Load(); err != nil {
		return rpc.Result{}, *err
	}
	if call.Method == mcp.MethodCallTool {
		return rpc.Result{Body: Raw(fmt.Sprintf(`{"content":[{"type":"text","text":"%s got %s"}]}`, s.name, text(call.Params, "name")))}, nil
	}
	body, ok := s.answers[call.Method]
	if !ok {
		return rpc.Result{}, jsonrpc.NewError(jsonrpc.CodeMethodNotFound, "not offered")
	}
	if body == "hang" {
		<-ctx.Done()
		return rpc.Result{}, context.Cause(ctx)
	}
	return rpc.Result{Body: Raw(body)}, nil
}

func newGateway(cfg Config, backends ...backend.Backend) *Gateway {
	cfg.Log = slog.New(slog.DiscardHandler)
	return New(cfg, &subscription.Hub{}, backends)
}

func ask(t *testing.T, g *Gateway, method, target string) (string, error) {
	t.Helper()
	call := &rpc.Call{Method: method, Target: target, Peer: &rpc.Peer{Features: mcp.Latest.Features()}, Principal: rpc.Local, Client: silent{}}
	if target != "" {
		call.Params = append(jsonrpc.AppendString(Raw(`{"name":`), target), '}')
	}
	res, err := g.Handle(t.Context(), call)
	return string(res.Body), err
}

func tools(names ...string) map[string]string {
	body := `{"tools":[`
	for i, n := range names {
		if i > 0 {
			body += ","
		}
		body += fmt.Sprintf(`{"name":%q,"inputSchema":{"type":"object"},"x":1}`, n)
	}
	return map[string]string{mcp.MethodListTools: body + "]}"}
}

func TestToolsAreMergedAndRouted(t *testing.T) {
	g := newGateway(Config{}, &scripted{name: "a", answers: tools("one", "two")}, &scripted{name: "b", answers: tools("one")})
	got, err := ask(t, g, mcp.MethodListTools, "")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"tools":[{"name":"a__one","inputSchema":{"type":"object"},"x":1},{"name":"a__two","inputSchema":{"type":"object"},"x":1},{"name":"b__one","inputSchema":{"type":"object"},"x":1}]}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got, err = ask(t, g, mcp.MethodCallTool, "b__one")
	if err != nil || got != `{"content":[{"type":"text","text":"b got one"}]}` {
		t.Errorf("call = %s, %v", got, err)
	}
	_, err = ask(t, g, mcp.MethodCallTool, "one")
	if wire, ok := jsonrpc.AsError(err); !ok || wire.Code != jsonrpc.CodeInvalidParams {
		t.Errorf("an own name on the common endpoint: %v, want -32602", err)
	}
}

func TestOwnNames(t *testing.T) {
	g := newGateway(Config{OwnNames: true}, &scripted{name: "a", answers: tools("one")})
	if got, _ := ask(t, g, mcp.MethodListTools, ""); got != `{"tools":[{"name":"one","inputSchema":{"type":"object"},"x":1}]}` {
		t.Errorf("list = %s", got)
	}
	if got, err := ask(t, g, mcp.MethodCallTool, "one"); err != nil || got != `{"content":[{"type":"text","text":"a got one"}]}` {
		t.Errorf("call = %s, %v", got, err)
	}
}

func TestSickServerKeepsItsEntries(t *testing.T) {
	a, b := &scripted{name: "a", answers: tools("one")}, &scripted{name: "b", answers: tools("two")}
	g := newGateway(Config{}, a, b)
	before, _ := ask(t, g, mcp.MethodListTools, "")
	sick := errors.New("down")
	b.err.Store(&sick)
	g.Event(subscription.Event{Topic: subscription.Topic{Kind: subscription.Tools}})
	if after, _ := ask(t, g, mcp.MethodListTools, ""); after != before {
		t.Errorf("list became %s", after)
	}
	if got, err := ask(t, g, mcp.MethodCallTool, "a__one"); err != nil {
		t.Errorf("the healthy server's call = %s, %v", got, err)
	}
}

func TestHangingServerDelaysAListOnlySoLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &scripted{name: "slow", answers: map[string]string{mcp.MethodListTools: "hang"}}
		g := newGateway(Config{ListTimeout: time.Second}, slow, &scripted{name: "a", answers: tools("one")})
		start := time.Now()
		got, err := ask(t, g, mcp.MethodListTools, "")
		if err != nil || time.Since(start) != time.Second {
			t.Errorf("after %v: %s, %v", time.Since(start), got, err)
		}
		if got != `{"tools":[{"name":"a__one","inputSchema":{"type":"object"},"x":1}]}` {
			t.Errorf("list = %s", got)
		}
	})
}

func TestListsAreRemembered(t *testing.T) {
	a := &scripted{name: "a", answers: tools("one")}
	g := newGateway(Config{}, a)
	for range 10 {
		if _, err := ask(t, g, mcp.MethodListTools, ""); err != nil {
			t.Fatal(err)
		}
	}
	if n := a.calls.Load(); n != 1 {
		t.Errorf("10 lists asked the server %d times", n)
	}
	g.Event(subscription.Event{Topic: subscription.Topic{Kind: subscription.Tools}})
	_, _ = ask(t, g, mcp.MethodListTools, "")
	if n := a.calls.Load(); n != 2 {
		t.Errorf("after a change the server was asked %d times, want 2", n)
	}
}

func TestEndlessCursorIsCutOff(t *testing.T) {
	a := &scripted{name: "a", answers: map[string]string{mcp.MethodListTools: `{"tools":[],"nextCursor":"again"}`}}
	if _, err := ask(t, newGateway(Config{}, a), mcp.MethodListTools, ""); err != nil {
		t.Fatal(err)
	}
	if n := a.calls.Load(); n > maxPages {
		t.Errorf("asked %d times", n)
	}
}

func TestInvalidHeaderToolIsDropped(t *testing.T) {
	a := &scripted{name: "a", answers: map[string]string{mcp.MethodListTools: `{"tools":[{"name":"bad","inputSchema":{"type":"object","properties":{"n":{"type":"number","x-mcp-header":"N"}}}},{"name":"good","inputSchema":{"type":"object"}}]}`}}
	if got, _ := ask(t, newGateway(Config{}, a), mcp.MethodListTools, ""); got != `{"tools":[{"name":"a__good","inputSchema":{"type":"object"}}]}` {
		t.Errorf("list = %s", got)
	}
}

func TestStaleListStillRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &scripted{name: "slow", answers: tools("two")}
		g := newGateway(Config{}, slow, &scripted{name: "a", answers: tools("one")})
		if _, err := ask(t, g, mcp.MethodListTools, ""); err != nil {
			t.Fatal(err)
		}
		slow.answers = map[string]string{mcp.MethodListTools: "hang"}
		time.Sleep(time.Hour)
		start := time.Now()
		if _, err := ask(t, g, mcp.MethodCallTool, "a__one"); err != nil || time.Since(start) > 0 {
			t.Errorf("a healthy server's call took %v beside a hanging one: %v", time.Since(start), err)
		}
	})
}
