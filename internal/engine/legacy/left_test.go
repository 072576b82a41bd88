// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/engine/legacy"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestCallsWhoseClientLeft: a call ends, and its exchange at once, when its client has
// left without an event from which it could come back for the outcome.
func TestCallsWhoseClientLeft(t *testing.T) {
	for _, tt := range []struct {
		name, version, accept, tool string
		after                       time.Duration // the client leaves
		batch, goesOn               bool
	}{
		{"before anything was sent", "2025-11-25", "text/event-stream", "sleep", time.Second, false, false},
		{"and takes no stream", "2025-11-25", "application/json", "sleep", time.Second, false, false},
		{"and takes no stream, after a while", "2025-11-25", "application/json", "sleep", 30 * time.Second, false, false},
		{"with the event that begins a stream", "2025-11-25", "text/event-stream", "sleep", 30 * time.Second, false, true},
		{"with a first notification", "2025-11-25", "text/event-stream", "notify", time.Second, false, true},
		{"a stream that began without an event", "2025-06-18", "text/event-stream", "sleep", 30 * time.Second, false, false},
		{"a stream with an event", "2025-06-18", "text/event-stream", "notify", 30 * time.Second, false, true},
		{"a batch", "2025-03-26", "text/event-stream", "sleep", time.Second, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan error, 2)
				p := legacy.New(legacy.Config{Handler: untilLeft(ended)})
				e := engine.New(jsonrpc.DefaultLimits(), nil, p)
				init := newExchange("POST", fmt.Sprintf(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":%q,"capabilities":{}}}`, tt.version), nil)
				e.ServeExchange(init)
				body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q}}`, tt.tool)
				calls := 1
				if tt.batch {
					calls, body = 2, fmt.Sprintf(`[%s,{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":%q}}]`, body, tt.tool)
				}
				x := newExchange("POST", body, nil)
				x.header = http.Header{"Accept": {tt.accept}, mcp.HeaderSessionID: {init.reply.Get(mcp.HeaderSessionID)}}
				var leave context.CancelFunc
				x.ctx, leave = context.WithCancel(x.ctx)
				served := make(chan struct{})
				go func() { e.ServeExchange(x); close(served) }()
				time.Sleep(tt.after)
				synctest.Wait()
				x.leave()
				leave()
				synctest.Wait()
				select {
				case <-served:
				default:
					t.Error("the exchange is still being served")
				}
				if got := len(ended); got != 0 && tt.goesOn || got != calls && !tt.goesOn {
					t.Errorf("%d of %d calls ended", got, calls)
				}
				for range len(ended) {
					if cause := <-ended; !errors.Is(cause, engine.ErrDisconnected) {
						t.Errorf("a call ended because of %v", cause)
					}
				}
				end := newExchange("DELETE", "", nil)
				end.header = x.header
				e.ServeExchange(end)
				if err := p.Drain(context.Background()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// untilLeft handles calls until their contexts end, and tells why these did.
func untilLeft(ended chan<- error) rpc.HandlerFunc {
	return func(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
		if call.Method == mcp.MethodDiscover {
			return rpc.Result{Body: rpc.Raw(discovery)}, nil
		}
		if call.Target == "notify" {
			_ = call.Client.Notify(ctx, mcp.NotificationProgress, rpc.Raw(`{"progressToken":1,"progress":1}`))
		}
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return rpc.Result{}, context.Cause(ctx)
	}
}
