// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// starting is a backend that answers nothing before it is up, which calls wait for.
type starting struct {
	scripted
	after time.Duration // from the first call on
	error error         // in place of coming up
	up    chan struct{}
	begun atomic.Bool
}

func (s *starting) Status() backend.Status {
	status := s.scripted.Status()
	select {
	case <-s.up:
	default:
		status.Starting = s.begun.Load()
	}
	return status
}

func (s *starting) Handle(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if s.begun.CompareAndSwap(false, true) {
		go func() { time.Sleep(s.after); close(s.up) }()
	}
	select {
	case <-s.up:
	case <-ctx.Done():
		return rpc.Result{}, context.Cause(ctx)
	}
	if s.error != nil {
		return rpc.Result{}, s.error
	}
	return s.scripted.Handle(ctx, call)
}

const discovered = `{"capabilities":{"tools":{},"x":1},"serverInfo":{"name":"inner","version":"1"}}`

func offering(tools ...string) map[string]string {
	return map[string]string{mcp.MethodDiscover: discovered, mcp.MethodListTools: toolsBody(tools...)}
}

// timed returns how long f takes.
func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// TestFirstAnswers holds how long the first answers may take, whatever some servers do:
// nobody waits to be greeted, and for lists only so long. What comes later is announced.
func TestFirstAnswers(t *testing.T) {
	cfg := CatalogConfig{ListTimeout: 2 * time.Second, Enough: time.Second}
	for _, tc := range []struct {
		name        string
		good        time.Duration // until it is up
		bad         time.Duration
		greeted     time.Duration // at the good one's own endpoint
		listed      time.Duration
		list, later []string
		announced   int // pending at the end, when several are one
	}{
		{"all are there", 0, 0, 0, 0, []string{"good__one", "bad__two"}, []string{"good__one", "bad__two"}, 0},
		{"one hangs", 0, time.Hour, 0, time.Second, []string{"good__one"}, []string{"good__one"}, 1},
		{"one needs minutes", 0, 3 * time.Minute, 0, time.Second, []string{"good__one"}, []string{"good__one", "bad__two"}, 1},
		{"one comes after the list", 0, 1500 * time.Millisecond, 0, time.Second, []string{"good__one"}, []string{"good__one", "bad__two"}, 1},
		{"both come while it is waited", 1200 * time.Millisecond, 1700 * time.Millisecond, time.Second, 1200 * time.Millisecond,
			[]string{"good__one"}, []string{"good__one", "bad__two"}, 1},
		{"no node takes one for a moment", 0, -700 * time.Millisecond, 0, 800 * time.Millisecond, []string{"good__one", "bad__two"}, []string{"good__one", "bad__two"}, 0},
		{"no node takes one for a while", 0, -time.Minute, 0, time.Second, []string{"good__one"}, []string{"good__one", "bad__two"}, 1},
		{"both need minutes", 2 * time.Minute, 3 * time.Minute, time.Second, 2 * time.Second, nil, []string{"good__one", "bad__two"}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			good := &starting{scripted: scripted{name: "good", answers: offering("one")}, after: tc.good}
			bad := &starting{scripted: scripted{name: "bad", answers: offering("two")}, after: tc.bad}
			bubble(t, cfg, func(t *testing.T, r *rig) {
				good.up, bad.up = make(chan struct{}), make(chan struct{})
				if tc.bad < 0 {
					bad.fail(fmt.Errorf("%w", backend.ErrUnready))
					time.AfterFunc(-tc.bad, func() { bad.fail(nil) })
				}
				s := r.hub.Subscribe(toolsChanged.Topic)
				defer s.Close()
				r.catalog.Open()
				own := New(Config{Own: "good"}, &subscription.Hub{}, r.catalog)
				took := timed(func() {
					body, err := ask(t, r.Gateway, mcp.MethodDiscover, "")
					if err != nil || !strings.Contains(body, `"tools":{"listChanged":true}`) || !strings.Contains(body, `"tasks":{}`) {
						t.Errorf("greeted with %s, %v", body, err)
					}
				})
				if took != 0 {
					t.Errorf("the common endpoint greets after %v", took)
				}
				greeted := make(chan time.Duration)
				go func() {
					greeted <- timed(func() {
						body, err := ask(t, own, mcp.MethodDiscover, "")
						if real := strings.Contains(body, `"x":1`); err != nil || real != (tc.good <= tc.greeted) {
							t.Errorf("the own endpoint greets with %s, %v", body, err)
						}
					})
				}()
				var list []string
				if took := timed(func() { list = names(t, r.Gateway) }); took != tc.listed {
					t.Errorf("the first list took %v, want %v", took, tc.listed)
				}
				if diff := cmp.Diff(tc.list, list); diff != "" {
					t.Errorf("first list (-want +got):\n%s", diff)
				}
				if took := <-greeted; took != tc.greeted {
					t.Errorf("the own endpoint greets after %v, want %v", took, tc.greeted)
				}
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if n := heard(s); n != tc.announced {
					t.Errorf("%d announcements, want %d", n, tc.announced)
				}
				if diff := cmp.Diff(tc.later, names(t, r.Gateway)); diff != "" {
					t.Errorf("later (-want +got):\n%s", diff)
				}
				r.catalog.Close() // what hangs ends
				<-bad.up
				<-good.up
			}, good, bad)
		})
	}
}

// TestLateServersAreSoonThere: a server that could not be reached is asked again after
// 1, 2, 4 … seconds, and at once when somebody calls it.
func TestLateServersAreSoonThere(t *testing.T) {
	refused := jsonrpc.NewError(jsonrpc.CodeInternal, "connection refused")
	for _, tc := range []struct {
		up, there time.Duration // after the first try
	}{
		{500 * time.Millisecond, time.Second}, {1500 * time.Millisecond, 2 * time.Second}, {3 * time.Second, 4 * time.Second},
		{5 * time.Second, 8 * time.Second}, {time.Minute, 64 * time.Second}, {10 * time.Minute, 15 * time.Minute},
	} {
		late := &scripted{name: "late", answers: offering("one"), err: refused}
		bubble(t, CatalogConfig{}, func(t *testing.T, r *rig) {
			began := time.Now()
			r.catalog.Open()
			time.Sleep(tc.up)
			late.fail(nil)
			for r.catalog.Health()[0].State != Up {
				time.Sleep(100 * time.Millisecond)
			}
			if took := time.Since(began); took > tc.there+500*time.Millisecond {
				t.Errorf("up after %v, there after %v, want %v", tc.up, took, tc.there)
			}
		}, late)
	}
	called := &scripted{name: "late", answers: offering("one"), err: refused}
	bubble(t, CatalogConfig{}, func(t *testing.T, r *rig) {
		r.catalog.Open()
		time.Sleep(100 * time.Second) // the next try is in half a minute
		called.fail(nil)
		_, err := ask(t, r.Gateway, mcp.MethodCallTool, "late__one")
		wantCode(t, err, jsonrpc.CodeInternal)
		synctest.Wait()
		if _, err := ask(t, r.Gateway, mcp.MethodCallTool, "late__one"); err != nil {
			t.Errorf("the call did not have it asked: %v", err)
		}
	}, called)
}

// TestHealth holds what an operator is told of servers, and that the log has one line
// for each change, with the newest reason, each once.
func TestHealth(t *testing.T) {
	good := &scripted{name: "good", answers: offering("one", "two")}
	slow := &starting{scripted: scripted{name: "slow", answers: offering("three")}, after: time.Minute}
	key := &starting{scripted: scripted{name: "key"}, after: 4 * time.Second, error: jsonrpc.NewError(jsonrpc.CodeInternal, "API key is required")}
	mute := &scripted{name: "mute", answers: map[string]string{mcp.MethodDiscover: "hang"}}
	bubble(t, CatalogConfig{ListTimeout: 2 * time.Second}, func(t *testing.T, r *rig) {
		slow.up, key.up = make(chan struct{}), make(chan struct{})
		states := func() string {
			var all []string
			for _, h := range r.catalog.Health() {
				all = append(all, strings.TrimSpace(fmt.Sprint(h.Name, " ", h.State, " ", h.Since.Unix()-946684800, " ", h.Tools, " ", h.Reason)))
			}
			return strings.Join(all, "\n")
		}
		look := func(what, want string) {
			t.Helper()
			if diff := cmp.Diff(want, states()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		r.catalog.Open()
		synctest.Wait()
		look("at the start", "good up 0 2\nslow starting 0 0\nkey starting 0 0\nmute starting 0 0")
		time.Sleep(3 * time.Second)
		look("when lists do not wait any more", "good up 0 2\nslow starting 0 0\nkey starting 0 0\nmute down 2 0 no answer in time")
		time.Sleep(1500 * time.Millisecond)
		look("when the true reason is known", "good up 0 2\nslow starting 0 0\nkey down 4 0 API key is required\nmute down 2 0 no answer in time")
		time.Sleep(time.Hour)
		good.fail(errors.New("exit status 1"))
		r.catalog.Event("good", toolsChanged)
		time.Sleep(time.Hour)
		good.fail(errors.New("exit status 2"))
		time.Sleep(time.Hour)
		good.fail(errors.New("exit status 1"))
		time.Sleep(time.Hour)
		look("in an outage", "good down 3604 2 exit status 1\nslow up 60 1\nkey down 4 0 API key is required\nmute down 2 0 context deadline exceeded")
		if next := time.Until(r.catalog.Health()[2].Next); next <= 0 || next > 5*time.Minute {
			t.Errorf("the next try is in %v", next)
		}
		good.fail(nil)
		time.Sleep(time.Hour)
		want := []string{
			`server available server=good tools=2`, `server available server=slow tools=1 after=1m0s`, `server available again server=good tools=2`,
			`server unavailable server=key reason=API key is required`,
			`server unavailable server=mute reason=no answer in time`, `server still unavailable server=mute reason=context deadline exceeded`,
			`server unavailable; what it offered last stays in the lists, marked server=good reason=exit status 1`,
			`server still unavailable server=good reason=exit status 2`,
			`1 server up, 1 starting: slow, 2 down: key (API key is required), mute (no answer in time); 2 tools`,
		}
		log := strings.NewReplacer(`"`, "", "msg=", "").Replace(r.log.String())
		for _, line := range want {
			if n := strings.Count(log, line); n != 1 {
				t.Errorf("%q was logged %d times", line, n)
			}
		}
		if n := strings.Count(log, "\n"); n != len(want) {
			t.Errorf("%d lines, want %d:\n%s", n, len(want), log)
		}
	}, good, slow, key, mute)
}

// TestAnswersBeforeItIsUp: an answer while the breaker is still open hides no reason.
func TestAnswersBeforeItIsUp(t *testing.T) {
	s := &scripted{name: "s", answers: offering("one"), err: errors.New("exited with code 1"), down: "it exited (reference A)"}
	bubble(t, CatalogConfig{}, func(t *testing.T, r *rig) {
		r.catalog.Open()
		synctest.Wait()
		s.fail(nil)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if h := r.catalog.Health()[0]; h.State != Down || h.Reason != "exited with code 1" {
			t.Errorf("it is %s: %s", h.State, h.Reason)
		}
		s.status("")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if h := r.catalog.Health()[0]; h.State != Up {
			t.Errorf("it is %s: %s", h.State, h.Reason)
		}
		if n := strings.Count(r.log.String(), "\n"); n != 3 {
			t.Errorf("%d lines, want one for each state and the summary:\n%s", n, r.log)
		}
	}, s)
}

// TestSummary holds the one line that says how all servers are.
func TestSummary(t *testing.T) {
	many := make([]Health, 25)
	for i := range many {
		many[i] = Health{Name: fmt.Sprint("s", i), State: Starting}
	}
	for _, tc := range []struct {
		all  []Health
		want string
	}{
		{nil, "0 servers up; 0 tools"},
		{[]Health{{Name: "a", State: Up, Tools: 1}}, "1 server up; 1 tool"},
		{[]Health{{Name: "a", State: Up, Tools: 4}, {Name: "b", State: Up, Tools: 3}, {Name: "c", State: Down, Tools: 7, Reason: "no key"}},
			"2 servers up, 1 down: c (no key); 7 tools"},
		{many, "0 servers up, 25 starting: s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15, s16, s17, s18, s19 and 5 more; 0 tools"},
	} {
		if got := Summary(tc.all); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}

// TestChangeOfAListNobodyHasSeen: a client that was greeted while the first list was
// being made has not seen what changed, and the list may say the same from the start.
func TestChangeOfAListNobodyHasSeen(t *testing.T) {
	for _, seen := range []bool{false, true} {
		a := &scripted{name: "a", answers: offering("one")}
		bubble(t, CatalogConfig{}, func(t *testing.T, r *rig) {
			r.catalog.Warm(t.Context())
			s := r.hub.Subscribe(toolsChanged.Topic)
			defer s.Close()
			want := 1
			if seen {
				names(t, r.Gateway)
				want = 0
			}
			r.catalog.Event("a", toolsChanged)
			time.Sleep(time.Minute)
			synctest.Wait()
			if n := heard(s); n != want {
				t.Errorf("seen %v: %d announcements, want %d", seen, n, want)
			}
		}, a)
	}
}

// TestUnusableServerIsLeftAlone: a server whose entry has a mistake is not tried again, and
// its operator reads what to do. The list says which servers' tools it lacks, and why.
func TestUnusableServerIsLeftAlone(t *testing.T) {
	slow := &starting{scripted: scripted{name: "slow", answers: offering("three")}, after: time.Minute}
	bubble(t, CatalogConfig{ListTimeout: 2 * time.Second}, func(t *testing.T, r *rig) {
		slow.up = make(chan struct{})
		r.catalog.Open()
		missing := func() string {
			body, err := ask(t, r.Gateway, mcp.MethodListTools, "")
			if err != nil {
				t.Fatal(err)
			}
			meta, _ := jsonrpc.Get(Raw(body), "_meta")
			servers, _ := jsonrpc.Get(meta, MetaUnavailableServers)
			return string(servers)
		}
		const wrong = `{"server":"wrong","reason":"server \"wrong\" cannot be used: KEY is not set"}`
		if got, want := missing(), `[`+wrong+`,{"server":"slow","reason":"it is still starting"}]`; got != want {
			t.Errorf("missing %s, want %s", got, want)
		}
		h := r.catalog.Health()[0]
		if want := `server "wrong" cannot be used: KEY is not set; correct the server's entry, then start holdfast again`; h.State != Down || h.Reason != want || !h.Next.IsZero() {
			t.Errorf("%+v", h)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got, want := missing(), `[`+wrong+`]`; got != want {
			t.Errorf("missing %s, want %s", got, want)
		}
		if h := r.catalog.Health()[0]; !h.Next.IsZero() {
			t.Errorf("it is tried again: %+v", h)
		}
	}, backend.NewUnusable("wrong", "KEY is not set"), slow)
}
