// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/share"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestGreedyCallersLeaveRoom: sessions, addresses and clients that make all the calls
// they can do not keep another's call from its server.
func TestGreedyCallersLeaveRoom(t *testing.T) {
	for name, tt := range map[string]struct {
		greedy func(i int, call *rpc.Call)
		other  func(call *rpc.Call)
	}{
		"one session": {
			func(_ int, c *rpc.Call) { c.Peer.Session = "greedy" }, func(c *rpc.Call) { c.Peer.Session = "other" },
		},
		"several sessions": {
			func(i int, c *rpc.Call) { c.Peer.Session = fmt.Sprint("greedy", i%5) }, func(c *rpc.Call) { c.Peer.Session = "other" },
		},
		"a session each": {
			func(i int, c *rpc.Call) { c.Peer.Session, c.Address = fmt.Sprint("greedy", i), "10.0.0.1" },
			func(c *rpc.Call) { c.Peer.Session, c.Address = "other", "10.0.0.2" },
		},
		"a modern client": {
			func(_ int, c *rpc.Call) { c.Peer.Client.Name = "bot" }, func(c *rpc.Call) { c.Peer.Client.Name = "desk" },
		},
		"a principal": {
			func(_ int, c *rpc.Call) { c.Principal = &rpc.Principal{ID: "bob"} }, func(c *rpc.Call) { c.Principal = &rpc.Principal{ID: "ada"} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const calls = 32
				d := newCounters()
				defer d.srv.Close()
				r := New(Config{Name: "inner", Launch: d.dial, MaxCalls: calls, CallTimeout: time.Minute, Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {})
				defer r.Close()
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				for i := range 10 * calls {
					wg.Go(func() {
						call := sessionCall("wait", "", "local")
						tt.greedy(i, call)
						_, _ = r.Handle(ctx, call)
					})
				}
				synctest.Wait()
				began := time.Now()
				call := sessionCall("echo", "", "local")
				tt.other(call)
				if _, err := r.Handle(t.Context(), call); err != nil || time.Since(began) > 0 {
					t.Errorf("another's call, after %s: %v", time.Since(began), err)
				}
				cancel()
				wg.Wait()
				if n := r.calls.passing.Used() + r.calls.queued.Used() + r.calls.line.Len(); n != 0 {
					t.Errorf("%d are still counted", n)
				}
			})
		})
	}
}

// TestWaitingCallersHaveTurns: where a bound is so small that there is nothing to keep
// free, who has one call does not wait for all calls of who has many.
func TestWaitingCallersHaveTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(1, "maxCalls")
		greedy, other := share.Caller{Member: share.Member{Session: "greedy"}}, share.Caller{Member: share.Member{Session: "other"}}
		var wg sync.WaitGroup
		enter := func(c share.Caller, then func()) {
			wg.Go(func() {
				if err := b.enter(t.Context(), c); err != nil {
					return
				}
				then()
				time.Sleep(time.Second)
				b.leave(c)
			})
			synctest.Wait()
		}
		for range 3 {
			enter(greedy, func() {})
		}
		began, waited := time.Now(), time.Duration(0)
		enter(other, func() { waited = time.Since(began) })
		wg.Wait()
		if waited > 2*time.Second {
			t.Errorf("waited %s for its turn", waited)
		}
	})
}

// TestRefusedCallsNameTheBound: what is full, whose, and how to raise it.
func TestRefusedCallsNameTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(2, `maxCalls of server "x"`)
		c := share.Caller{Member: share.Member{Session: "s"}}
		var wg sync.WaitGroup
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 2 + 7 {
			wg.Go(func() { _ = b.enter(short, c) })
		}
		synctest.Wait()
		err := b.enter(t.Context(), c)
		const want = `overloaded: 2 of at most 2 calls in flight, 2 of them its client's own, and 7 wait, 7 of them its own; maxCalls of server "x" raises the bound`
		if !errors.Is(err, errBusy) || err.Error() != want {
			t.Errorf("refused with\n%v, want\n%s", err, want)
		}
		wg.Wait()
		if err := b.enter(short, c); err == nil || !strings.Contains(err.Error(), "2 of at most 2 calls in flight") {
			t.Errorf("after a wait: %v", err)
		}
	})
}

// TestCallsKnowTheirCallers: a session is itself, a client without one its name.
func TestCallsKnowTheirCallers(t *testing.T) {
	call := sessionCall("echo", "s1", "ada")
	call.Address = "10.0.0.1"
	call.Peer.Client = mcp.Implementation{Name: "desk"}
	group := share.Group{Tenant: "t-ada", Principal: "ada", Address: "10.0.0.1"}
	if got, want := call.Caller(), (share.Caller{Group: group, Member: share.Member{Session: "s1"}}); got != want {
		t.Errorf("caller %+v, want %+v", got, want)
	}
	call.Peer.Session = ""
	if got, want := call.Caller(), (share.Caller{Group: group, Member: share.Member{Client: "desk"}}); got != want {
		t.Errorf("caller %+v, want %+v", got, want)
	}
}

// TestLeftCallsCount: who leaves calls that the server does not answer makes no more
// after a while, others do, and an answer or a minute makes up for it.
func TestLeftCallsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(8, "maxCalls")
		greedy := share.Caller{Group: share.Group{Address: "10.0.0.1"}, Member: share.Member{Session: "a"}}
		other := share.Caller{Group: share.Group{Address: "10.0.0.2"}, Member: share.Member{Session: "b"}}
		passes := func(c share.Caller) bool {
			err := b.enter(t.Context(), c)
			if err == nil {
				b.leave(c)
			} else if !errors.Is(err, errBusy) || !strings.Contains(err.Error(), "that this client has left") {
				t.Errorf("refused with %v", err)
			}
			return err == nil
		}
		var answered []func()
		for n := 0; passes(greedy); n++ {
			if n > maxLeft*8 {
				t.Fatalf("%d calls were left behind, and more may be made", n)
			}
			answered = append(answered, b.abandon(greedy))
		}
		if !passes(other) {
			t.Error("another client is refused too")
		}
		for range 2 { // the second time says nothing new
			answered[0]()
			answered[1]()
		}
		if !passes(greedy) {
			t.Error("refused although two calls have been answered")
		}
		time.Sleep(leftTime)
		synctest.Wait()
		if !passes(greedy) || b.left.Used() != 0 {
			t.Errorf("%d calls count after %s", b.left.Used(), leftTime)
		}
	})
}
