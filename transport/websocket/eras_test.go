// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package websocket_test

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
	"github.com/holdfast-mcp/holdfast/transport"
	"github.com/holdfast-mcp/holdfast/transport/websocket"
)

type cityForm struct {
	City string `json:"city"`
}

type sum struct {
	Sum int `json:"sum"`
}

// tools is a server that adds, asks, counts and waits.
func tools() *server.Server {
	s := server.New("tools", "1")
	server.AddTool(s, "add", "Adds", func(_ context.Context, _ *server.Request, in struct {
		A int `json:"a"`
		B int `json:"b"`
	}) (sum, error) {
		return sum{in.A + in.B}, nil
	})
	server.AddTool(s, "city", "Asks", func(ctx context.Context, req *server.Request, _ server.None) (string, error) {
		in, action, err := server.Elicit[cityForm](ctx, req, "Which city?")
		return action + " " + in.City, err
	})
	server.AddTool(s, "count", "Counts", func(_ context.Context, req *server.Request, _ server.None) (string, error) {
		for i := range 3 {
			req.Progress(float64(i+1), 3, "")
		}
		return "counted", nil
	})
	server.AddTool(s, "large", "Is large", func(context.Context, *server.Request, server.None) (string, error) {
		return strings.Repeat("ä", 1<<20), nil
	})
	server.AddTool(s, "wait", "Waits until it is cancelled", func(ctx context.Context, _ *server.Request, _ server.None) (string, error) {
		<-ctx.Done()
		return "", context.Cause(ctx)
	})
	return s
}

// listen serves s on a WebSocket and returns how to reach it.
func listen(tb testing.TB, s *server.Server) client.Target {
	tb.Helper()
	h := websocket.NewHandler(s, websocket.Config{})
	web := httptest.NewServer(h)
	tb.Cleanup(func() {
		h.Close()
		web.Close()
		s.Close()
	})
	url := "ws" + strings.TrimPrefix(web.URL, "http") + "/ws"
	return client.Stream(func(ctx context.Context) (transport.Conn, error) {
		return websocket.Dial(ctx, url, nil, websocket.DialConfig{})
	})
}

// eras are the ways in which a client may come to its era.
func eras() map[string][]client.Option {
	return map[string][]client.Option{
		"asked":             nil,
		"modern":            {client.ForceEra(mcp.Modern)},
		"legacy":            {client.ForceEra(mcp.Legacy)},
		"legacy-2025-03-26": {client.ForceVersion("2025-03-26")},
	}
}

func TestBothEras(t *testing.T) {
	for name, opts := range eras() {
		t.Run(name, func(t *testing.T) {
			s := tools()
			changed := make(chan struct{}, 1)
			opts := append(slices.Clone(opts),
				client.RememberIn(nil),
				client.OnElicit(func(_ context.Context, p *mcp.ElicitParams) (*mcp.ElicitResult, error) {
					if p.Message != "Which city?" {
						t.Errorf("asked %q", p.Message)
					}
					return &mcp.ElicitResult{Action: mcp.ActionAccept, Content: []byte(`{"city":"Bern"}`)}, nil
				}),
				client.OnToolsChanged(func() {
					select {
					case changed <- struct{}{}:
					default:
					}
				}))
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			c, err := client.Connect(ctx, listen(t, s), opts...)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()

			res, err := c.CallTool(ctx, "add", map[string]int{"a": 1, "b": 2})
			if err != nil || !strings.Contains(res.Text(), "3") {
				t.Errorf("add: %v, %v", res, err)
			}
			if _, err := c.CallTool(ctx, "none", nil); err == nil {
				t.Error("an unknown tool answered")
			}
			if res, err := c.CallTool(ctx, "large", nil); err != nil || len(res.Text()) != 2<<20 {
				t.Errorf("large: %v", err)
			}
			if !c.Features().Batching { // which is older than elicitation
				if res, err := c.CallTool(ctx, "city", nil); err != nil || res.Text() != "accept Bern" {
					t.Errorf("city: %v, %v", res, err)
				}
			}
			var progress []float64
			res, err = c.CallTool(ctx, "count", nil, client.OnProgress(func(p client.Progress) { progress = append(progress, p.Progress) }))
			if err != nil || res.Text() != "counted" {
				t.Errorf("count: %v, %v", res, err)
			}
			if diff := cmp.Diff([]float64{1, 2, 3}, progress); diff != "" {
				t.Errorf("progress (-want +got):\n%s", diff)
			}
			s.RemoveTools("wait")
			select {
			case <-changed:
			case <-ctx.Done():
				t.Error("the changed list was not heard of")
			}
		})
	}
}

// TestCallsEndWithTheConnection: a client that leaves ends its calls.
func TestCallsEndWithTheConnection(t *testing.T) {
	running, ended := make(chan struct{}), make(chan struct{})
	s := server.New("tools", "1")
	server.AddTool(s, "wait", "Waits", func(ctx context.Context, _ *server.Request, _ server.None) (string, error) {
		close(running)
		<-ctx.Done()
		close(ended)
		return "", context.Cause(ctx)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := client.Connect(ctx, listen(t, s))
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan error, 1)
	go func() {
		_, err := c.CallTool(ctx, "wait", nil)
		called <- err
	}()
	select {
	case <-running:
	case err := <-called:
		t.Fatal(err)
	}
	c.Close()
	if err := <-called; err == nil {
		t.Error("the call succeeded")
	}
	select {
	case <-ended:
	case <-ctx.Done():
		t.Error("the handler still runs")
	}
}

func BenchmarkCall(b *testing.B) {
	for _, name := range []string{"modern", "legacy"} {
		b.Run("era="+name, func(b *testing.B) {
			c, err := client.Connect(b.Context(), listen(b, tools()), eras()[name]...)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			params := client.Raw(`{"name":"add","arguments":{"a":1,"b":2}}`)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Call(b.Context(), mcp.MethodCallTool, params, client.CallOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
