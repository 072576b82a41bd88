// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// named is a protocol that notes what it was given.
type named struct {
	era  mcp.Era
	seen *[]string
}

func (n named) note(what string) { *n.seen = append(*n.seen, n.era.String()+" "+what) }

func (n named) Era() mcp.Era                                    { return n.era }
func (n named) Post(_ transport.Exchange, in *Inbound)          { n.note(in.Method) }
func (n named) PostBatch(transport.Exchange, []jsonrpc.Element) { n.note("batch") }
func (n named) Other(x transport.Exchange)                      { n.note(x.Verb()) }
func (n named) Attach(context.Context, transport.Conn) Link     { return n }
func (n named) Receive(in *Inbound)                             { n.note(in.Method) }
func (n named) ReceiveBatch([]jsonrpc.Element, *transport.Hold) { n.note("batch") }
func (n named) Finish(context.Context)                          { n.note("finish") }
func (n named) Close()                                          {}

// request is an Exchange that keeps its answer.
type request struct {
	verb, body, version string
	status              int
	answer              string
}

func (r *request) Context() context.Context { return context.Background() }
func (r *request) Verb() string             { return r.verb }
func (r *request) Body() []byte             { return []byte(r.body) }
func (r *request) AcceptsStream() bool      { return true }
func (r *request) Header(name string) []string {
	if name == mcp.HeaderProtocolVersion && r.version != "" {
		return []string{r.version}
	}
	return nil
}
func (r *request) Reply(status int, body []byte, _ ...string) {
	r.status, r.answer = status, string(body)
}
func (r *request) Stream(...string) transport.Stream { panic("no stream here") }

const modernMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`

func TestChoosesTheEra(t *testing.T) {
	for _, tc := range []struct {
		name string
		req  request
		want string
	}{
		{"plain initialize", request{verb: "POST", body: `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`}, "legacy initialize"},
		{"modern initialize", request{verb: "POST", body: `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{` + modernMeta + `}}`}, "modern initialize"},
		{"modern header", request{verb: "POST", version: "2026-07-28", body: `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`}, "modern tools/list"},
		{"unknown later header", request{verb: "POST", version: "2027-01-01", body: `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`}, "modern tools/list"},
		{"legacy header", request{verb: "POST", version: "2025-06-18", body: `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`}, "legacy tools/list"},
		{"nonsense header", request{verb: "POST", version: "latest", body: `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`}, "legacy tools/list"},
		{"batch", request{verb: "POST", body: ` [{"jsonrpc":"2.0","method":"x"}]`}, "legacy batch"},
		{"get", request{verb: "GET"}, "legacy GET"},
		{"get of a legacy client", request{verb: "GET", version: "2025-06-18"}, "legacy GET"},
		{"modern get", request{verb: "GET", version: "2026-07-28"}, "modern GET"},
		{"modern delete", request{verb: "DELETE", version: "2026-07-28"}, "modern DELETE"},
	} {
		var seen []string
		e := New(jsonrpc.DefaultLimits(), slog.New(slog.DiscardHandler), named{mcp.Legacy, &seen}, named{mcp.Modern, &seen})
		e.ServeExchange(&tc.req)
		if got := strings.Join(seen, ","); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestRefusesMalformedPosts(t *testing.T) {
	var seen []string
	e := New(jsonrpc.DefaultLimits(), slog.New(slog.DiscardHandler), named{mcp.Legacy, &seen}, named{mcp.Modern, &seen})
	for _, tc := range []struct{ body, want string }{
		{`{"jsonrpc":"2.0",`, `"code":-32700`},
		{`{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}`, `"code":-32700`},
		{`{"jsonrpc":"2.0","id":null,"method":"x"}`, `"code":-32600`},
		{`{"jsonrpc":"2.0","id":1.5,"method":"x"}`, `"code":-32600`},
		{`{"jsonrpc":"2.0","id":7}`, `"id":7,"error":{"code":-32600`},
		{`[]`, `"code":-32600`},
		{strings.Repeat("[", 1000), `"code":-32600`},
	} {
		r := &request{verb: "POST", body: tc.body}
		e.ServeExchange(r)
		if r.status != 400 || !strings.Contains(r.answer, tc.want) || strings.Contains(r.answer, `"id":null`) {
			t.Errorf("%.40s: %d %s, want 400 with %s", tc.body, r.status, r.answer, tc.want)
		}
	}
	if len(seen) > 0 {
		t.Errorf("malformed messages reached a protocol: %q", seen)
	}
}

func TestConnSharesEras(t *testing.T) {
	var seen []string
	e := New(jsonrpc.DefaultLimits(), slog.New(slog.DiscardHandler), named{mcp.Legacy, &seen}, named{mcp.Modern, &seen})
	near, far := transport.Pipe()
	for _, msg := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize"}`,
		`{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{` + modernMeta + `}}`,
		`not json`,
		`{"jsonrpc":"2.0","id":3,"method":"ping"}`,
	} {
		if err := near.Write([]byte(msg)); err != nil {
			t.Fatal(err)
		}
	}
	served := make(chan error)
	go func() { served <- e.ServeConn(context.Background(), far) }() // ends with near
	if answer, err := near.Read(); err != nil || !strings.Contains(string(answer), "-32700") {
		t.Errorf("answer to garbage: %s, %v", answer, err)
	}
	near.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
	want := "legacy initialize,modern tools/list,legacy ping"
	if got := strings.Join(seen, ","); !strings.HasPrefix(got, want) || strings.Count(got, "finish") != 2 {
		t.Errorf("%q, want %q and two finishes", got, want)
	}
}

func TestInvoke(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for name, tc := range map[string]struct {
		h    rpc.HandlerFunc
		says string
		code int64
	}{
		"panic": {func(context.Context, *rpc.Call) (rpc.Result, error) { panic("secret") }, "reference", jsonrpc.CodeInternal},
		"plain": {func(context.Context, *rpc.Call) (rpc.Result, error) { return rpc.Result{}, errors.New("secret") }, "reference", jsonrpc.CodeInternal},
		"wire error": {func(context.Context, *rpc.Call) (rpc.Result, error) {
			return rpc.Result{}, jsonrpc.NewError(-32602, "said so")
		}, "said so", -32602},
		"deadline": {func(context.Context, *rpc.Call) (rpc.Result, error) { return rpc.Result{}, context.DeadlineExceeded }, "deadline", jsonrpc.CodeInternal},
	} {
		_, wire := Invoke(t.Context(), log, tc.h, &rpc.Call{})
		if wire == nil || wire.Code != tc.code || !strings.Contains(wire.Message, tc.says) || strings.Contains(wire.Message, "secret") {
			t.Errorf("%s: %v", name, wire)
		}
	}
	res, wire := Invoke(t.Context(), log, rpc.HandlerFunc(func(context.Context, *rpc.Call) (rpc.Result, error) { return rpc.Result{}, nil }), &rpc.Call{})
	if wire != nil || string(res.Body) != "{}" {
		t.Errorf("an empty result: %+v, %v", res, wire)
	}
}

func TestFlights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFlights(2)
		one, two := jsonrpc.IntID(1), jsonrpc.StringID("1")
		ctx, wire := f.Begin(t.Context(), one)
		if wire != nil {
			t.Fatal(wire)
		}
		if _, wire := f.Begin(t.Context(), one); wire == nil || wire.Code != jsonrpc.CodeInvalidRequest {
			t.Errorf("an id in flight: %v", wire)
		}
		if _, wire := f.Begin(t.Context(), two); wire != nil {
			t.Errorf("1 and \"1\" are one: %v", wire)
		}
		if _, wire := f.Begin(t.Context(), jsonrpc.IntID(3)); wire == nil {
			t.Error("a third call of two is let in")
		}
		if !f.Cancel(one, ErrCancelled) || !errors.Is(context.Cause(ctx), ErrCancelled) {
			t.Errorf("cause %v", context.Cause(ctx))
		}
		if f.Cancel(jsonrpc.IntID(9), ErrCancelled) {
			t.Error("cancelled what is not in flight")
		}
		wait, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if f.Wait(wait); wait.Err() == nil {
			t.Error("Wait returned with calls in flight")
		}
		go func() { // ends by itself
			time.Sleep(time.Second)
			f.End(one)
			f.End(two)
		}()
		f.Wait(t.Context())
		f.Close(ErrDisconnected)
		if _, wire := f.Begin(t.Context(), one); wire == nil {
			t.Error("a closed table lets a call in")
		}
	})
}

func TestEscapedMemberNamesCount(t *testing.T) {
	msg, err := jsonrpc.Decode([]byte(`{"jsonrpc":"2.0","id":1,"method":"x","params":{"\u005fmeta":{"io.modelcontextprotocol\/protocolVersion":"2026-07-28"},"na\u006de":"tool"}}`), jsonrpc.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	in := NewInbound(msg)
	if in.Era() != mcp.Modern || in.Target() != "tool" {
		t.Errorf("era %v, target %q", in.Era(), in.Target())
	}
}

// TestTargetIsTheMethodsOwn holds that no other member of params stands in for
// the one that a method addresses: filters look at the target, servers at params.
func TestTargetIsTheMethodsOwn(t *testing.T) {
	for method, want := range map[string]string{
		mcp.MethodCallTool: "n", mcp.MethodGetPrompt: "n",
		mcp.MethodReadResource: "u", mcp.MethodSubscribe: "u", mcp.MethodUnsubscribe: "u", mcp.MethodGetSkill: "u", mcp.MethodReadDirectory: "u",
		mcp.MethodGetTask: "t", mcp.MethodUpdateTask: "t", mcp.MethodTaskResult: "t", mcp.MethodCancelTask: "t",
		"x/unknown": "n",
	} {
		params := map[string]string{"n": `"name":"n"`, "u": `"uri":"u"`, "t": `"taskId":"t"`}
		all := NewInbound(jsonrpc.Message{Method: method, Params: Raw("{" + params["n"] + "," + params["u"] + "," + params["t"] + "}")})
		if got := all.Target(); got != want {
			t.Errorf("%s: target %q, want %q", method, got, want)
		}
		delete(params, want)
		others := Raw(`{"x":1`)
		for _, p := range params {
			others = append(append(others, ','), p...)
		}
		if got := NewInbound(jsonrpc.Message{Method: method, Params: append(others, '}')}).Target(); got != "" && method != "x/unknown" {
			t.Errorf("%s: target %q without its member", method, got)
		}
	}
}
