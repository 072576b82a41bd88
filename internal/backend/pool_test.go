// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

// counters is a legacy server each of whose connections is one process: it
// counts the calls it got, and can be made to hang.
func newCounters() *inMemory {
	d := newInMemory(mcp.Legacy)
	server.AddTool(d.srv, "wait", "Wait to be cancelled", func(ctx context.Context, _ *server.Request, _ struct{}) (*mcp.CallToolResult, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	return d
}

func (d *inMemory) counts() (dials, live int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dials, d.live
}

func sessionCall(tool, session, principal string) *rpc.Call {
	args := `{}`
	if tool == "echo" {
		args = `{"text":"x"}`
	}
	call := callOf(tool, args, &caller{})
	call.Peer = &rpc.Peer{Features: mcp.Latest.Features(), Session: session}
	call.Principal = &rpc.Principal{ID: principal, Tenant: "t-" + principal}
	return call
}

func TestSharingDecidesInstances(t *testing.T) {
	calls := []struct{ session, principal string }{{"s1", "ada"}, {"s2", "ada"}, {"s1", "ada"}, {"s3", "bob"}, {"", "bob"}, {"", "bob"}}
	for sharing, want := range map[Sharing]int{Shared: 1, PerTenant: 2, PerPrincipal: 2, PerSession: 5, PerCall: 6} {
		t.Run(string(sharing), func(t *testing.T) {
			d := newCounters().closes(t)
			r := newPooled(t, Config{Launch: d.dial, Sharing: sharing, Processes: NewSlots(100)})
			for _, c := range calls {
				if _, err := r.Handle(t.Context(), sessionCall("echo", c.session, c.principal)); err != nil {
					t.Fatal(err)
				}
			}
			if dials, _ := d.counts(); dials != want {
				t.Errorf("%d instances, want %d", dials, want)
			}
		})
	}
}

func TestHTTPSessionsSplitByCapabilities(t *testing.T) {
	d := newCounters().closes(t)
	r := newPooled(t, Config{Launch: d.dial}) // no processes: what an HTTP server's sessions are
	able := sessionCall("echo", "s1", "ada")
	able.Peer = &rpc.Peer{Features: mcp.Latest.Features(), Capabilities: mcp.ClientCapabilities{Roots: &mcp.RootsCapability{}}}
	for _, call := range []*rpc.Call{sessionCall("echo", "s1", "ada"), able, able, sessionCall("echo", "s2", "bob")} {
		if _, err := r.Handle(t.Context(), call); err != nil {
			t.Fatal(err)
		}
	}
	if dials, _ := d.counts(); dials != 3 { // one for lists, one for each declared set
		t.Errorf("%d sessions, want 3", dials)
	}
}

// TestEverySessionIsWatched: a legacy HTTP server may announce a change in the
// session only in which it happened, and callers share several.
func TestEverySessionIsWatched(t *testing.T) {
	var mu sync.Mutex
	watching := map[string]int{}
	echo := echoServer(t, mcp.Legacy)
	srv := newChanging(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		if m, err := jsonrpc.Decode(body, jsonrpc.Limits{}); err == nil && (m.Method == mcp.MethodSubscribe || m.Method == mcp.MethodUnsubscribe) {
			mu.Lock()
			if m.Method == mcp.MethodSubscribe {
				watching[req.Header.Get(mcp.HeaderSessionID)]++
			} else {
				watching[req.Header.Get(mcp.HeaderSessionID)]--
			}
			mu.Unlock()
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(jsonrpc.AppendResult(nil, m.ID, Raw(`{}`)))
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		echo.ServeHTTP(w, req)
	}))
	r := newHTTPRemote(t, Config{}, srv.URL+"/mcp", HTTPConfig{})
	call := func(c mcp.ClientCapabilities) {
		t.Helper()
		one := sessionCall("echo", "s1", "ada")
		one.Peer = &rpc.Peer{Features: mcp.Latest.Features(), Capabilities: c}
		if _, err := r.Handle(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	counts := func(want ...int) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if got := slices.Sorted(maps.Values(watching)); !slices.Equal(got, want) {
			t.Errorf("sessions that watch: %v, want %v", got, want)
		}
	}
	call(mcp.ClientCapabilities{})
	if err := r.Watch(t.Context(), "test://a", true); err != nil {
		t.Fatal(err)
	}
	counts(1, 1) // the one for lists, and the caller's
	call(mcp.ClientCapabilities{Roots: &mcp.RootsCapability{}})
	counts(1, 1, 1)
	if err := r.Watch(t.Context(), "test://a", false); err != nil {
		t.Fatal(err)
	}
	counts(0, 0, 0)
}

func TestReleaseStopsTheSessionsInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newCounters()
		r := New(Config{Name: "inner", Launch: d.dial, Sharing: PerSession, Processes: NewSlots(10), Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {})
		for _, s := range []string{"s1", "s2"} {
			if _, err := r.Handle(t.Context(), sessionCall("echo", s, "ada")); err != nil {
				t.Fatal(err)
			}
		}
		r.Release("s1")
		synctest.Wait()
		if _, live := d.counts(); live != 1 {
			t.Errorf("%d instances live, want the other session's", live)
		}
		r.Close()
		d.srv.Close()
	})
}

func TestIdleInstancesStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newCounters()
		r := New(Config{Name: "inner", Launch: d.dial, Sharing: PerSession, Idle: time.Minute, Processes: NewSlots(10), Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {})
		for _, s := range []string{"s1", "s2"} {
			if _, err := r.Handle(t.Context(), sessionCall("echo", s, "ada")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(40 * time.Second)
		}
		if _, live := d.counts(); live != 1 {
			t.Errorf("%d live at 80 s, want 1: the first is idle for 80 s, the second for 40 s", live)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, live := d.counts(); live != 0 {
			t.Errorf("%d live after the idle time, want 0", live)
		}
		call := sessionCall("echo", "s1", "ada")
		call.LogLevel = "info"
		heard := &caller{}
		call.Client = heard
		if _, err := r.Handle(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(heard.heard, " "), mcp.NotificationMessage) {
			t.Errorf("the caller was not told that its instance is new: %q", heard.heard)
		}
		r.Close()
		d.srv.Close()
	})
}

func TestCapEvictsTheIdlest(t *testing.T) {
	d := newCounters().closes(t)
	processes := NewSlots(3)
	r := newPooled(t, Config{Launch: d.dial, Sharing: PerSession, Processes: processes})
	other := newPooled(t, Config{Launch: d.dial, Sharing: PerSession, Processes: processes})
	var most atomic.Int64
	for i := range 12 {
		for _, remote := range []*Remote{r, other} {
			if _, err := remote.Handle(t.Context(), sessionCall("echo", "s"+strconv.Itoa(i), "ada")); err != nil {
				t.Fatal(err)
			}
			_, live := d.counts()
			most.Store(max(most.Load(), int64(live)))
		}
	}
	if most.Load() > 3 {
		t.Errorf("%d instances at once, over the cap of 3", most.Load())
	}
}

func TestCapUnderLoad(t *testing.T) {
	d := newCounters().closes(t)
	processes := NewSlots(4)
	var remotes []*Remote
	for range 5 {
		remotes = append(remotes, newPooled(t, Config{Launch: d.dial, Sharing: PerSession, Max: 3, Processes: processes}))
	}
	var wg sync.WaitGroup
	var failed atomic.Int64
	for i := range 40 {
		wg.Go(func() {
			for j := range 20 {
				call := sessionCall("echo", "s"+strconv.Itoa(i), "ada")
				if _, err := remotes[(i+j)%len(remotes)].Handle(t.Context(), call); err != nil {
					failed.Add(1)
					t.Log(err)
				}
				if _, live := d.counts(); live > 4 {
					t.Errorf("%d instances, over the cap", live)
				}
			}
		})
	}
	wg.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d calls failed for want of a slot", failed.Load())
	}
}

func TestBusyInstancesAreNotEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newCounters()
		r := New(Config{Name: "inner", Launch: d.dial, Sharing: PerSession, Max: 1, Processes: NewSlots(10), Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = r.Handle(ctx, sessionCall("wait", "s1", "ada")) })
		synctest.Wait()
		short, stop := context.WithTimeout(t.Context(), time.Second)
		_, err := r.Handle(short, sessionCall("echo", "s2", "ada"))
		stop()
		const want = `overloaded: 1 of at most 1 instances of server "inner" are in use, 0 of them by this client; max raises the bound`
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say what was waited for", err)
		}
		cancel()
		wg.Wait()
		if _, err := r.Handle(t.Context(), sessionCall("echo", "s2", "ada")); err != nil {
			t.Errorf("after the busy one became idle: %v", err)
		}
		r.Close()
		d.srv.Close()
	})
}

func TestSparesAreTakenAndReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newCounters()
		r := New(Config{Name: "inner", Launch: d.dial, Sharing: PerSession, Spare: 2, Processes: NewSlots(10), Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {})
		synctest.Wait()
		if dials, _ := d.counts(); dials != 2 {
			t.Fatalf("%d started ahead, want 2", dials)
		}
		if _, err := r.Handle(t.Context(), sessionCall("echo", "s1", "ada")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if dials, live := d.counts(); dials != 3 || live != 3 {
			t.Errorf("%d started, %d live; want one in use and two spare", dials, live)
		}
		r.Close()
		if _, live := d.counts(); live != 0 {
			t.Errorf("%d live after Close", live)
		}
		d.srv.Close()
	})
}

func TestCrashLoopOpensTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newCounters()
		var events atomic.Int64
		r := New(Config{Name: "inner", Launch: d.dial, Processes: NewSlots(1), Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) { events.Add(1) })
		for range 200 { // one call every 50 ms, and the server dies after each start
			_ = r.Start(t.Context())
			d.breakAll()
			synctest.Wait()
			time.Sleep(50 * time.Millisecond)
		}
		if dials, _ := d.counts(); dials > 20 {
			t.Errorf("%d starts in 10 s of crashing", dials)
		}
		if s := r.Status(); s.Up || s.Reason == "" {
			t.Errorf("status %+v of a crash-looping server", s)
		}
		if events.Load() == 0 {
			t.Error("the change of status was not announced")
		}
		time.Sleep(maxPause)
		if _, err := r.Handle(t.Context(), sessionCall("echo", "s1", "ada")); err != nil {
			t.Errorf("after recovery: %v", err)
		}
		if s := r.Status(); !s.Up {
			t.Errorf("status %+v after a good call", s)
		}
		r.Close()
		d.srv.Close()
	})
}

func TestBulkheadShedsAndNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newCounters()
		r := New(Config{Name: "inner", Launch: d.dial, MaxCalls: 2, CallTimeout: time.Minute, Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {})
		var wg sync.WaitGroup
		var reasons [4]atomic.Int64
		for range 20 {
			wg.Go(func() {
				_, err := r.Handle(t.Context(), sessionCall("wait", "", "ada"))
				wire, ok := jsonrpc.AsError(err)
				switch {
				case !ok:
					reasons[3].Add(1)
				case strings.Contains(string(wire.Data), `"busy"`):
					reasons[0].Add(1)
				case strings.Contains(string(wire.Data), `"timeout"`):
					reasons[1].Add(1)
				default:
					reasons[2].Add(1)
				}
			})
		}
		wg.Wait()
		// Two are sent, eight wait until their deadline, ten are shed at once.
		if busy, timeout := reasons[0].Load(), reasons[1].Load(); busy != 18 || timeout != 2 {
			t.Errorf("busy %d, timeout %d, other %d, not ours %d", busy, timeout, reasons[2].Load(), reasons[3].Load())
		}
		r.Close()
		d.srv.Close()
	})
}

// TestInstanceKnowsItsClient: a legacy server that belongs to one client's
// session is told who that is; one that is shared, who shares it.
func TestInstanceKnowsItsClient(t *testing.T) {
	for sharing, want := range map[Sharing]string{PerSession: "desktop", PerCall: "desktop", Shared: "holdfast"} {
		d := newCounters().closes(t)
		server.AddTool(d.srv, "client", "Who calls", func(_ context.Context, req *server.Request, _ struct{}) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{mcp.Text(req.Client().Name)}}, nil
		})
		r := newPooled(t, Config{Launch: d.dial, Sharing: sharing, Processes: NewSlots(9)})
		call := sessionCall("client", "s1", "ada")
		call.Peer = &rpc.Peer{Features: mcp.Latest.Features(), Session: "s1", Client: mcp.Implementation{Name: "desktop", Version: "3"}}
		res, err := r.Handle(t.Context(), call)
		if err != nil || !strings.Contains(string(res.Body), `"`+want+`"`) {
			t.Errorf("%s: the server was told %s, %v; want %s", sharing, res.Body, err, want)
		}
	}
}

func TestListsDoNotStartIdleServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newCounters()
		r := New(Config{Name: "inner", Launch: d.dial, Idle: time.Minute, Processes: NewSlots(1), Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {})
		list := func() error {
			_, err := r.Handle(t.Context(), &rpc.Call{Method: mcp.MethodListTools, Peer: &rpc.Peer{Features: mcp.Latest.Features()}, Principal: rpc.Local, Client: &caller{}})
			return err
		}
		if err := list(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if err := list(); err != nil {
			t.Fatal(err)
		}
		if dials, live := d.counts(); dials != 1 || live != 0 {
			t.Errorf("%d starts, %d live; want the idle server left alone", dials, live)
		}
		r.Close()
		d.srv.Close()
	})
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes int
		b := newBreaker(func() { changes++ })
		bad := errors.New("bad")
		for range tolerated {
			b.failure(bad, failedCall)
		}
		if b.allow() != nil {
			t.Fatal("opened too early")
		}
		b.failure(bad, failedCall)
		if err := b.allow(); !errors.Is(err, bad) {
			t.Fatalf("open, but allow = %v", err)
		}
		time.Sleep(firstPause)
		if b.allow() != nil || b.allow() == nil {
			t.Error("half-open lets exactly one through")
		}
		b.failure(bad, failedCall)
		time.Sleep(firstPause)
		if b.allow() == nil {
			t.Error("the pause did not grow")
		}
		time.Sleep(firstPause)
		if b.allow() != nil {
			t.Error("the pause grew too much")
		}
		b.success(false)
		if b.allow() != nil || !b.status().Up || changes != 2 {
			t.Errorf("not closed by a success (changes %d)", changes)
		}
	})
}

func BenchmarkCallPath(b *testing.B) {
	r := newBreaker(func() {})
	h := newBulkhead(64, "maxCalls")
	c := callOf("echo", `{}`, &caller{}).Caller()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if r.allow() != nil || h.enter(ctx, c) != nil {
			b.Fatal()
		}
		r.success(false)
		h.leave(c)
	}
}

// TestStartsAreLimited: of a crowd that arrives at once, a few start at a time,
// and those who leave while they wait cost nothing.
func TestStartsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newCounters()
		var now, most atomic.Int64
		slow := func(ctx context.Context) (*Launched, error) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			defer now.Add(-1)
			return d.dial(ctx)
		}
		r := New(Config{Name: "inner", Launch: slow, Sharing: PerSession, Processes: NewSlots(100), Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {})
		var wg sync.WaitGroup
		var served, left atomic.Int64
		for i := range 40 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 5500*time.Millisecond)
				defer cancel()
				if _, err := r.Handle(ctx, sessionCall("echo", "s"+strconv.Itoa(i), "ada")); err != nil {
					left.Add(1)
					return
				}
				served.Add(1)
			})
		}
		wg.Wait()
		synctest.Wait()
		if most.Load() != maxStarts || served.Load() != 5*maxStarts {
			t.Errorf("%d at a time, %d served, %d left; want %d and %d", most.Load(), served.Load(), left.Load(), maxStarts, 5*maxStarts)
		}
		r.Close()
		if _, live := d.counts(); live != 0 {
			t.Errorf("%d instances live after Close", live)
		}
		d.srv.Close()
	})
}
