// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/quota"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/transport"
)

// remote is an exchange of a client at an address. Its answer is read when
// reading is closed, at once if that is nil.
type remote struct {
	*exchange
	addr    string
	hold    transport.Hold
	reading chan struct{}
}

func (x *remote) RemoteAddr() string    { return x.addr + ":1" }
func (x *remote) Hold() *transport.Hold { return &x.hold }

func (x *remote) Reply(status int, body []byte, headers ...string) {
	if x.reading != nil {
		<-x.reading
	}
	x.exchange.Reply(status, body, headers...)
}

// from posts an exchange of a client at an address, as a transport does.
func (r *rig) from(addr string, x *exchange, b *transport.Budget) *remote {
	return r.send(&remote{exchange: x, addr: addr}, b)
}

func (r *rig) send(x *remote, b *transport.Budget) *remote {
	x.hold.Begin(b, x.RemoteAddr())
	if err := x.hold.Grow(len(x.body)); err != nil {
		panic(err)
	}
	go func() {
		defer x.hold.Release()
		r.engine.ServeExchange(x)
	}()
	synctest.Wait()
	time.Sleep(2 * mergeWindow)
	synctest.Wait()
	return x
}

func shares(calls, each int64) func(*Config) {
	return func(c *Config) {
		c.Shares = engine.NewShares(0, 100)
		c.Shares.Calls = quota.New(calls, each)
	}
}

// TestCallShares holds that one client cannot have all calls, whatever its
// addresses if it has a name, and that what is refused can come again.
func TestCallShares(t *testing.T) {
	const a, b, c = "192.0.2.1", "192.0.2.2", "192.0.2.3"
	bubble(t, func(t *testing.T, r *rig) {
		first := r.from(a, callExchange("slow", 1, ""), nil)
		r.from(a, callExchange("echo", 2, ""), nil).want(t, 503, "one may have")
		r.from(b, callExchange("echo", 3, ""), nil).want(t, 200, "complete")
		named := r.from(b, callExchange("slow", 4, "").as("anna"), nil)
		r.from(c, callExchange("echo", 5, "").as("anna"), nil).want(t, 503, "one may have")
		r.from(c, callExchange("slow", 6, "").as("bert"), nil)
		r.from(c, callExchange("echo", 7, ""), nil).want(t, 503, "as many calls in flight as it takes")
		first.leave()
		named.leave()
		synctest.Wait()
		r.from(a, callExchange("echo", 8, ""), nil).want(t, 200, "complete")
	}, shares(3, 1))
}

// TestCallSharesOfConns holds the same on connections.
func TestCallSharesOfConns(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		w := r.dial(t)
		defer w.hangUp()
		w.send(`%s`, callBody("slow", 1, ""))
		w.send(`%s`, callBody("echo", 2, ""))
		w.expect("one may have")
		w.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
		synctest.Wait()
		w.send(`%s`, callBody("echo", 3, ""))
		w.expect(`"id":3,"result"`)
	}, shares(2, 1))
}

// TestSlowReaderKeepsNoPlace holds that a call's place is given back when its
// outcome is there, not when its client has read it.
func TestSlowReaderKeepsNoPlace(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		idle := &remote{exchange: callExchange("echo", 1, ""), addr: "192.0.2.1", reading: make(chan struct{})}
		r.send(idle, nil)
		r.from("192.0.2.1", callExchange("echo", 2, ""), nil).want(t, 200, "complete")
		close(idle.reading)
		synctest.Wait()
		idle.want(t, 200, "complete")
		if used := r.cfg.Shares.Calls.Used(); used != 0 {
			t.Errorf("%d places are taken in the end", used)
		}
	}, shares(1, 1))
}

// TestCallKeepsItsMessage holds that a message counts for as long as its call
// needs it: running without a client, parked, and as a task.
func TestCallKeepsItsMessage(t *testing.T) {
	pad := `,"pad":"` + strings.Repeat("x", 50_000) + `"`
	for _, tc := range []struct {
		name, tool string
		after      func(r *rig, x *remote) // what ends the call
	}{
		{"answered", "echo", func(*rig, *remote) {}},
		{"left", "slow", func(_ *rig, x *remote) { x.leave() }},
		{"parked, then given up", "ask", func(*rig, *remote) { time.Sleep(11 * time.Minute) }},
		{"task", "job-runs", func(*rig, *remote) { time.Sleep(2 * time.Minute) }},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				b := transport.NewBudget(1<<20, 100)
				x := r.from("192.0.2.1", callExchange(tc.tool, 1, pad), b)
				if used := b.Used(); (used > 40_000) != (tc.tool != "echo") {
					t.Errorf("%d bytes count before the end", used)
				}
				tc.after(r, x)
				synctest.Wait()
				if used := b.Used(); used != 0 {
					t.Errorf("%d bytes count after the end", used)
				}
			})
		})
	}
}

// parted is an exchange that notes the parts of its answer.
type parted struct {
	*exchange
	parts [][]byte
}

func (x *parted) ReplyParts(parts [][]byte, _ ...string) {
	x.parts = parts
	x.Reply(200, bytes.Join(parts, nil))
}

// partedConn is a Conn that notes the parts of what is written.
type partedConn struct {
	transport.Conn
	parts [][]byte
}

func (c *partedConn) WriteParts(parts [][]byte) error {
	c.parts = parts
	return c.Write(bytes.Join(parts, nil))
}

// TestSharedAnswersAreNotCopied holds that clients which get the same long list
// get the same bytes, over HTTP and connections, and what they would otherwise.
func TestSharedAnswersAreNotCopied(t *testing.T) {
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":` + usualMeta + `}}`
	long := Raw(`{"tools":[{"name":"a","description":"` + strings.Repeat("x", sharedFrom) + `"}]}`)
	shared := &rpc.Shared{}
	bubble(t, func(t *testing.T, r *rig) {
		ask := func() *exchange {
			return newExchange(list, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list")
		}
		plain := r.post(ask())
		_, want := plain.got()
		one, other := &parted{exchange: ask()}, &parted{exchange: ask()}
		r.engine.ServeExchange(one)
		r.engine.ServeExchange(other)
		client, server := transport.Pipe()
		conn := &partedConn{Conn: server}
		served := make(chan error, 1)
		go func() { served <- r.engine.ServeConn(t.Context(), conn) }()
		if err := client.Write([]byte(list)); err != nil {
			t.Fatal(err)
		}
		written, err := client.Read()
		if err != nil {
			t.Fatal(err)
		}
		client.Close()
		<-served
		for _, got := range []string{one.reply, other.reply, string(written)} {
			if got != want || len(want) < sharedFrom {
				t.Errorf("in parts %.200s…, else %.200s…", got, want)
			}
		}
		if len(one.parts) != 3 || &one.parts[1][0] != &other.parts[1][0] || &one.parts[1][0] != &conn.parts[1][0] {
			t.Error("the list is copied for each client")
		}
	}, func(c *Config) {
		c.Handler = rpc.HandlerFunc(func(context.Context, *rpc.Call) (rpc.Result, error) {
			return rpc.Result{Body: long, Shared: shared}, nil
		})
	})
}

func uris(n, size int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = `"` + strings.Repeat("u", size-1) + string(rune('a'+i%26)) + `"`
	}
	return `{"resourceSubscriptions":[` + strings.Join(list, ",") + `]}`
}

func TestListenLimits(t *testing.T) {
	for _, tc := range []struct {
		name, filter string
		says         string // "" if it is acknowledged
	}{
		{"few", uris(10, 100), ""},
		{"the longest", uris(1, rpc.MaxURI), ""},
		{"too long", uris(1, rpc.MaxURI+1), "8193 bytes"},
		{"too many", uris(11, 1), "more than 10 subscriptions"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				x := r.post(listenExchange(1, tc.filter))
				if tc.says == "" {
					x.want(t, 200, "acknowledged")
				} else {
					x.want(t, 400, tc.says)
				}
				x.end()
			}, func(c *Config) { c.Limits.Subscriptions = 10 })
		})
	}
}

// TestListenBytes holds the bound on the bytes of one listen.
func TestListenBytes(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.post(listenExchange(1, uris(16, rpc.MaxURI))).want(t, 200, "acknowledged")
		r.post(listenExchange(2, uris(17, rpc.MaxURI))).want(t, 400, "more than 131072 bytes")
		if err := r.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestListenShares holds that listens and what they are subscribed to have bounds
// over all clients and for each, and that both are given back.
func TestListenShares(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		cost := 2 * engine.SubscriptionCost("uu")
		r.cfg.Shares.Listens, r.cfg.Shares.Subscribed = quota.New(3, 2), quota.New(2*cost, cost)
		first := r.from("192.0.2.1", listenExchange(1, uris(2, 2)), nil)
		first.want(t, 200, "acknowledged")
		r.from("192.0.2.1", listenExchange(2, uris(1, 2)), nil).want(t, 503, "too many listens or subscriptions")
		second := r.from("192.0.2.1", listenExchange(3, `{}`), nil)
		second.want(t, 200, "acknowledged")
		r.from("192.0.2.1", listenExchange(4, `{}`), nil).want(t, 503, "too many listens")
		other := r.from("192.0.2.2", listenExchange(5, uris(2, 2)), nil)
		other.want(t, 200, "acknowledged")
		r.from("192.0.2.3", listenExchange(6, `{}`), nil).want(t, 503, "too many listens")
		for _, x := range []*remote{first, second, other} {
			x.end()
		}
		synctest.Wait()
		if l, s := r.cfg.Shares.Listens.Used(), r.cfg.Shares.Subscribed.Used(); l != 0 || s != 0 {
			t.Errorf("%d listens and %d bytes are taken in the end", l, s)
		}
	})
}
