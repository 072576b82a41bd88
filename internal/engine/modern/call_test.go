// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// callBody is a tools/call with the usual metadata; extra begins with a comma.
func callBody(tool string, id int, extra string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"_meta":%s%s}}`, id, tool, usualMeta, extra)
}

func callExchange(tool string, id int, extra string) *exchange {
	return newExchange(callBody(tool, id, extra), "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", tool,
		"Accept", "application/json, text/event-stream")
}

// post runs one exchange until everything is quiet, merge window included.
func (r *rig) post(x *exchange) *exchange {
	go r.engine.ServeExchange(x)
	synctest.Wait()
	time.Sleep(2 * mergeWindow)
	synctest.Wait()
	return x
}

func (x *exchange) as(principal string) *exchange {
	x.ctx = rpc.WithPrincipal(x.ctx, &rpc.Principal{ID: principal})
	return x
}

// token returns the requestState of an answer.
func (x *exchange) token(t *testing.T) string {
	t.Helper()
	_, reply := x.got()
	result, _ := jsonrpc.Get(Raw(reply), "result")
	raw, _ := jsonrpc.Get(result, "requestState")
	token, ok := jsonrpc.Unquote(raw)
	if !ok {
		t.Fatalf("no requestState in %s", reply)
	}
	return token
}

func retry(token string) string {
	return fmt.Sprintf(`,"inputResponses":{"name":{"action":"accept"}},"requestState":%q`, token)
}

func (x *exchange) want(t *testing.T, status int, part string) {
	t.Helper()
	got, reply := x.got()
	if got != status || !strings.Contains(reply, part) {
		t.Errorf("answer %d %s, want %d with %q", got, reply, status, part)
	}
}

// bubble runs f with a rig under a fake clock.
func bubble(t *testing.T, f func(t *testing.T, r *rig), configure ...func(*Config)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(configure...)
		defer r.close()
		f(t, r)
	})
}

func TestDisconnectCancels(t *testing.T) {
	for _, c := range []struct {
		when string
		wait time.Duration
	}{{"before the headers", 0}, {"after the headers", 16 * time.Second}} {
		t.Run(c.when, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				x := r.post(callExchange("slow", 1, ""))
				time.Sleep(c.wait)
				synctest.Wait()
				x.leave()
				synctest.Wait()
				if causes := r.fix.seen(); len(causes) != 1 || !errors.Is(causes[0], engine.ErrDisconnected) {
					t.Errorf("the handler's context ended with %v", causes)
				}
				if status, reply := x.got(); c.wait == 0 && status != 0 || c.wait > 0 && reply != "(end)" {
					t.Errorf("something was sent after the client left: %d %s", status, reply)
				}
			})
		})
	}
}

func TestStateIsBoundToPrincipal(t *testing.T) {
	for _, tool := range []string{"input", "ask"} {
		bubble(t, func(t *testing.T, r *rig) {
			token := r.post(callExchange(tool, 1, "").as("anna")).token(t)
			r.post(callExchange(tool, 2, retry(token)).as("bert")).want(t, 400, "-32602")
			r.post(callExchange(tool, 3, retry(token)).as("anna")).want(t, 200, `"id":3,"result"`)
		})
	}
}

// TestWordsOfServersAreRead: what the server behind a call said, and what the gateway says
// of it, has a status with which every client reads the body.
func TestWordsOfServersAreRead(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.post(callExchange("fail of server", 1, "")).want(t, 200, `"message":"no key"`)
		r.post(callExchange("fail of gateway", 2, "")).want(t, 200, `"message":"it could not be started"`)
		r.post(callExchange("fail", 3, "")).want(t, 500, "internal error")
	})
}

func TestStateSurvivesReordering(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		token := r.post(callExchange("input", 1, `,"arguments":{"a":1,"b":[2]}`)).token(t)
		r.post(callExchange("input", 2, `,"arguments":{ "b":[2], "a":1 }`+retry(token))).want(t, 200, "input_required")
	})
}

func TestParkedLimits(t *testing.T) {
	limit := func(c *Config) { c.Limits.Parked, c.Limits.ParkedPerPrincipal = 3, 2 }
	bubble(t, func(t *testing.T, r *rig) {
		first := r.post(callExchange("ask", 1, "").as("anna"))
		first.want(t, 200, "input_required")
		r.post(callExchange("ask", 2, "").as("anna")).want(t, 200, "input_required")
		r.post(callExchange("ask", 3, "").as("anna")).want(t, 500, "too many calls")
		r.post(callExchange("ask", 4, "").as("bert")).want(t, 200, "input_required")
		r.post(callExchange("ask", 5, "").as("carl")).want(t, 500, "too many calls")
		r.post(callExchange("ask", 6, retry(first.token(t))).as("anna")).want(t, 200, "complete")
		r.post(callExchange("ask", 7, "").as("carl")).want(t, 200, "input_required")
	}, limit)
}

// TestParkedShares: who parks all it can leaves room for others.
func TestParkedShares(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		n := 0
		for ; n < 20; n++ {
			if got := r.post(callExchange("ask", n, "").as("anna")); got.status != 200 {
				got.want(t, 500, "of at most 16")
				break
			}
		}
		if n < 8 || n > 14 {
			t.Errorf("one client parked %d of 16", n)
		}
		r.post(callExchange("ask", 50, "").as("bert")).want(t, 200, "input_required")
	}, func(c *Config) { c.Limits.Parked, c.Limits.ParkedPerPrincipal = 16, 16 })
}

func TestParkedExpiry(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.post(callExchange("ask", 1, "")).want(t, 200, "input_required")
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		causes := r.fix.seen()
		var ask error
		for _, c := range causes {
			ask = c
		}
		if !errors.Is(ask, errUnattended) {
			t.Errorf("Ask returned %v", causes)
		}
		if len(r.lot.calls) != 0 || r.lot.shares.Used() != 0 {
			t.Error("the lot still holds the call")
		}
	})
}

func TestRounds(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		token := r.post(callExchange("ask-twice", 1, "")).token(t)
		r.post(callExchange("ask-twice", 2, retry(token))).want(t, 500, "too often")
		token = r.post(callExchange("input", 3, "")).token(t)
		r.post(callExchange("input", 4, retry(token))).want(t, 500, "too often")
	}, func(c *Config) { c.Limits.Rounds = 1 })
}

// TestRetryTakesOver: a second retry is refused while one is attached; when the
// attached client leaves, the call ends.
func TestRetryTakesOver(t *testing.T) {
	handler := rpc.HandlerFunc(func(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
		if _, err := call.Client.Ask(ctx, map[string]rpc.InputRequest{"name": name}); err != nil {
			return rpc.Result{}, err
		}
		<-ctx.Done()
		return rpc.Result{}, context.Cause(ctx)
	})
	bubble(t, func(t *testing.T, r *rig) {
		token := r.post(callExchange("x", 1, "")).token(t)
		second := r.post(callExchange("x", 2, retry(token)))
		second.want(t, 0, "")
		r.post(callExchange("x", 3, retry(token))).want(t, 400, "used by another retry")
		second.leave()
		synctest.Wait()
		r.post(callExchange("x", 4, retry(token))).want(t, 400, "start over")
		if len(r.lot.calls) != 0 {
			t.Error("the lot still holds the call")
		}
	}, func(c *Config) { c.Handler = handler })
}

// TestOutcomeWaits: a handler that ends while its client is away is not lost.
func TestOutcomeWaits(t *testing.T) {
	handler := rpc.HandlerFunc(func(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		call.Client.Ask(short, map[string]rpc.InputRequest{"name": name})
		return text("without you")
	})
	bubble(t, func(t *testing.T, r *rig) {
		token := r.post(callExchange("x", 1, "")).token(t)
		time.Sleep(2 * time.Second)
		r.post(callExchange("x", 2, retry(token))).want(t, 200, "without you")
		r.post(callExchange("x", 3, retry(token))).want(t, 400, "start over")
	}, func(c *Config) { c.Handler = handler })
}

// TestOutcomesAreBounded: results that wait for their clients are bounded in sum, and
// those that left, or whose client never came, make room.
func TestOutcomesAreBounded(t *testing.T) {
	big := strings.Repeat("x", 40<<20)
	handler := rpc.HandlerFunc(func(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		call.Client.Ask(short, map[string]rpc.InputRequest{"name": name})
		return text(big)
	})
	bubble(t, func(t *testing.T, r *rig) {
		leave := func(id int) string {
			token := r.post(callExchange("x", id, "")).token(t)
			time.Sleep(2 * time.Second)
			return token
		}
		first, second := leave(1), leave(2)
		r.post(callExchange("x", 3, retry(second))).want(t, 500, "too large to be kept")
		r.post(callExchange("x", 4, retry(first))).want(t, 200, "xxx")
		third := leave(5)
		r.post(callExchange("x", 6, retry(third))).want(t, 200, "xxx")
		leave(7)
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		if r.lot.kept != 0 {
			t.Errorf("%d bytes are kept for nobody", r.lot.kept)
		}
	}, func(c *Config) { c.Handler = handler })
}

func TestAskWhereForbidden(t *testing.T) {
	handler := rpc.HandlerFunc(func(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
		_, err := call.Client.Ask(ctx, map[string]rpc.InputRequest{"name": name})
		return rpc.Result{}, err
	})
	bubble(t, func(t *testing.T, r *rig) {
		x := newExchange(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":`+usualMeta+`}}`,
			"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list")
		r.post(x).want(t, 500, "must not ask")
	}, func(c *Config) { c.Handler = handler })
}

func listenBody(id int, filter string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"subscriptions/listen","params":{"notifications":%s,"_meta":%s}}`, id, filter, usualMeta)
}

func listenExchange(id int, filter string) *exchange {
	return newExchange(listenBody(id, filter), "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "subscriptions/listen", "Accept", "text/event-stream")
}

// TestListenCoalesces: a burst reaches a slow listener as one change.
func TestListenCoalesces(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		x := r.post(listenExchange(1, `{"toolsListChanged":true}`))
		defer x.end()
		x.got()
		x.stream.mu.Lock() // the listener is slow
		for range 1000 {
			r.hub.Publish(subscription.Event{Topic: subscription.Topic{Kind: subscription.Tools}})
		}
		x.stream.mu.Unlock()
		synctest.Wait()
		if n := len(x.events()); n < 1 || n > 2 {
			t.Errorf("%d notifications for one burst", n)
		}
	})
}

func TestDrainWaitsForCalls(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		x := r.post(callExchange("long", 1, ""))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drain with a call in flight: %v", err)
		}
		if err := r.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		x.want(t, 200, "at last")
	})
}

func TestCloseCancels(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		running, parked := r.post(callExchange("slow", 1, "")), r.post(callExchange("ask", 2, ""))
		listening := r.post(listenExchange(3, `{}`))
		parked.want(t, 200, "input_required")
		r.Close()
		synctest.Wait()
		running.want(t, 500, "shutting down")
		listening.want(t, 200, "(end)")
		if n := len(r.fix.seen()); n != 2 {
			t.Errorf("%d handlers ended, want 2", n)
		}
	})
}

func TestPeersAreBounded(t *testing.T) {
	var p peers
	for i := range 2 * maxPeers {
		if _, wire := p.of(Raw(`{}`), Raw(fmt.Sprintf(`{"name":"%d","version":"1"}`, i))); wire != nil {
			t.Fatal(wire)
		}
	}
	if len(p.known) > maxPeers {
		t.Errorf("%d peers kept", len(p.known))
	}
	a, _ := p.of(Raw(`{}`), nil)
	b, _ := p.of(Raw(`{}`), nil)
	if a != b {
		t.Error("the same bytes were decoded twice")
	}
}

// taker is a sink that keeps the answer.
type taker struct {
	sink
	answer string
}

func (s *taker) Reply(_ int, body []byte, _ ...string) { s.answer = string(body) }

func TestSharedResultsReadTheSame(t *testing.T) {
	body := Raw("{\"tools\":[{\"name\":\"a\",\n\"inputSchema\":{\"type\":\"object\"},\"execution\":{}}],\"ttlMs\":9,\"_meta\":{\"x\":1}}")
	var want string
	for i, shared := range []*rpc.Shared{nil, {}} {
		p := New(Config{Info: mcp.Implementation{Name: "s", Version: "1"}, Handler: rpc.HandlerFunc(func(context.Context, *rpc.Call) (rpc.Result, error) {
			return rpc.Result{Body: body, Shared: shared, Cache: mcp.CacheHint{TTLMillis: 5}}, nil
		})})
		for range 3 {
			x := &taker{sink: sink{
				ctx: t.Context(), body: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":` + usualMeta + `}}`),
				header: map[string][]string{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/list"}},
			}}
			engine.New(jsonrpc.DefaultLimits(), p.cfg.Log, p).ServeExchange(x)
			if i == 0 {
				want = x.answer
			}
			if x.answer != want || want == "" {
				t.Errorf("shared=%t: %s, want %s", shared != nil, x.answer, want)
			}
		}
		p.Close()
	}
}
