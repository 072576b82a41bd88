// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

// localServer is an SDK server with a tool, a resource, and a way to panic.
func localServer() *server.Server {
	s := server.New("inner", "1")
	server.AddTool(s, "echo", "Echo", func(_ context.Context, _ *server.Request, in EchoIn) (string, error) { return in.Text, nil })
	server.AddTool(s, "wait", "Wait", func(ctx context.Context, _ *server.Request, _ struct{}) (string, error) {
		<-ctx.Done()
		return "", context.Cause(ctx)
	})
	server.AddTool(s, "panic", "Panic", func(context.Context, *server.Request, struct{}) (string, error) { panic("as asked") })
	return s
}

func newLocal(t *testing.T, s *server.Server, events Events) *Local {
	t.Helper()
	parts, ok := rpc.PartsOf(s)
	if !ok {
		t.Fatal("a server without parts")
	}
	l := NewLocal(LocalConfig{Name: "inner", Parts: parts, CallTimeout: time.Minute, Log: slog.New(slog.DiscardHandler)}, events)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// localCall is a call as an engine builds it.
func localCall(tool, args string) *rpc.Call {
	call := callOf(tool, args, &caller{})
	call.Arguments = Raw(args)
	return call
}

func noEvents(subscription.Event) {}

func TestLocalAnswers(t *testing.T) {
	l := newLocal(t, localServer(), noEvents)
	res, err := l.Handle(t.Context(), localCall("echo", `{"text":"hi"}`))
	if err != nil || !strings.Contains(string(res.Body), `"hi"`) {
		t.Errorf("echo = %s, %v", res.Body, err)
	}
	if s := l.Status(); !s.Up || l.Name() != "inner" || l.Start(t.Context()) != nil {
		t.Errorf("status %+v", s)
	}
}

func TestLocalForwardsChanges(t *testing.T) {
	var got []subscription.Topic
	s := localServer()
	l := newLocal(t, s, func(e subscription.Event) { got = append(got, e.Topic) })
	s.ResourceUpdated("x:0") // before Start
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.AddResource(mcp.Resource{URI: "x:1", Name: "one"}, func(context.Context, *server.Request) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{}, nil
	})
	s.ResourceUpdated("x:1")
	l.Close()
	s.ResourceUpdated("x:1")
	want := []subscription.Topic{{Kind: subscription.Resources}, {Kind: subscription.Resource, Key: "x:1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestLocalFailuresNameTheServer(t *testing.T) {
	l := newLocal(t, localServer(), noEvents)
	failure := func(what, reason string, err error) {
		t.Helper()
		wire, ok := jsonrpc.AsError(err)
		if !ok || !strings.Contains(wire.Message, `server "inner"`) || !strings.Contains(string(wire.Data), reason) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := l.Handle(t.Context(), localCall("panic", `{}`))
	failure("a panic", "failed", err)
	l.Close()
	_, err = l.Handle(t.Context(), localCall("echo", `{"text":""}`))
	failure("after Close", "unavailable", err)
}

func TestLocalCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocal(t, localServer(), noEvents)
		began := time.Now()
		_, err := l.Handle(t.Context(), localCall("wait", `{}`))
		wire, ok := jsonrpc.AsError(err)
		if !ok || !strings.Contains(string(wire.Data), "timeout") || time.Since(began) != time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		left := errors.New("the caller has left")
		cancel(left)
		if _, err := l.Handle(ctx, localCall("wait", `{}`)); !errors.Is(err, left) {
			t.Errorf("a caller that left: %v", err)
		}
	})
}
