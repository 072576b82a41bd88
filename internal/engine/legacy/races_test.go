// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/engine/legacy"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// chatty notifies, detaches and asks at random.
func chatty(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if call.Method == mcp.MethodDiscover {
		return rpc.Result{Body: rpc.Raw(discovery)}, nil
	}
	switch rand.IntN(5) {
	case 0:
		_ = call.Client.Notify(ctx, mcp.NotificationProgress, rpc.Raw(`{"progressToken":1,"progress":1}`))
	case 1:
		call.Client.(rpc.Detacher).Detach(time.Millisecond)
	case 2:
		ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		_, err := call.Client.Ask(ctx, map[string]rpc.InputRequest{"a": form})
		return rpc.Result{}, err
	}
	return echoed, nil
}

// TestRaces lets sessions do everything at once; it expects every exchange to be
// answered once, every call to end, and the race detector to be silent.
func TestRaces(t *testing.T) {
	hub := &subscription.Hub{}
	p := legacy.New(legacy.Config{Handler: rpc.HandlerFunc(chatty), Hub: hub,
		Sessions: session.NewRegistry(session.Config{Idle: 64, LogEvents: 20, LogAge: 20 * time.Millisecond})})
	e := engine.New(jsonrpc.DefaultLimits(), nil, p)
	do := func(token, verb, lastEvent, body string) *exchange {
		x := newExchange(verb, body, nil)
		x.header = http.Header{"Accept": {"text/event-stream"}, mcp.HeaderSessionID: {token}}
		if lastEvent != "" {
			x.header.Set(mcp.HeaderLastEventID, lastEvent)
		}
		e.ServeExchange(x)
		if x.status == 0 {
			t.Errorf("%s %s: no answer", verb, body)
		}
		return x
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			init := do("", "POST", "", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}}}}`)
			token := init.reply.Get(mcp.HeaderSessionID)
			var inner sync.WaitGroup
			for w := range 4 {
				inner.Go(func() {
					for i := range 60 {
						id := w*1000 + i
						switch rand.IntN(8) {
						case 0:
							do(token, "GET", "", "").leave()
						case 1:
							do(token, "GET", "gAAAAAAAAAAAA-1", "")
						case 2:
							do(token, "POST", "", fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}`, id-1))
						case 3:
							do(token, "POST", "", fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"resources/subscribe","params":{"uri":"test://%d"}}`, id, i%3))
							hub.Publish(subscription.Event{Topic: subscription.Topic{Kind: subscription.Resource, Key: "test://1"}})
						default:
							x := do(token, "POST", "", fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"x"}}`, id))
							x.mu.Lock()
							first := ""
							if len(x.out) > 1 {
								fmt.Sscanf(x.out[1], "id: %s", &first)
							}
							x.mu.Unlock()
							if first != "" {
								do(token, "GET", first, "")
							}
						}
					}
				})
			}
			inner.Wait()
			do(token, "DELETE", "", "")
		})
	}
	wg.Wait()
	if err := p.Drain(context.Background()); err != nil {
		t.Errorf("Drain: %v", err)
	}
}
