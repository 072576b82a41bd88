// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestThroughAPeer(t *testing.T) {
	for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
		t.Run(fmt.Sprint(era), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCell(t, backend.Config{})
				c.era = era
				for _, name := range []string{"n1", "n2", "n3"} {
					c.join(name)
				}
				defer c.close()
				synctest.Wait()
				_, far := c.away("s1")
				p := &person{}
				progress := call("progress", `{}`, "s1", p)
				progress.ProgressToken = Raw(`"p1"`)
				progress.Meta = Raw(`{"progressToken":"p1"}`)
				progress.Params = jsonrpc.Set(progress.Params, "_meta", progress.Meta)
				res, err := far.b.Handle(t.Context(), progress)
				if err != nil || textOf(res) != "reported" {
					t.Fatalf("%s, %v", textOf(res), err)
				}
				if heard := p.all(); strings.Count(heard, mcp.NotificationProgress) != 3 || !strings.Contains(heard, "careful") {
					t.Errorf("heard %s", heard)
				}
				for tool, want := range map[string]string{"elicit": "accept Ada", "sample": "m1"} {
					one := call(tool, `{}`, "s1", p)
					res, err := far.b.Handle(t.Context(), one)
					if era == mcp.Modern { // it asks by returning, and the answers come by whichever node
						if err != nil || res.Input == nil {
							t.Fatalf("%s: %s, %v", tool, res.Body, err)
						}
						one.Input.State = res.Input.State
						one.Input.Responses, _ = p.Ask(t.Context(), res.Input.Requests)
						res, err = c.other(far.name).b.Handle(t.Context(), one)
					}
					if got := textOf(res); err != nil || got != want {
						t.Errorf("%s: %q, %v, want %q", tool, got, err, want)
					}
				}
				_, err = far.b.Handle(t.Context(), call("refuse", `{}`, "s1", p))
				wire, ok := jsonrpc.AsError(err)
				if !ok || !wire.FromPeer() || wire.Code != -32000 || string(wire.Data) != `{"why":"because"}` {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

func TestClientsErrorReachesTheServer(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		_, far := c.away("s1")
		p := &person{err: jsonrpc.PeerError(-32042, "will not say", nil)}
		res, err := far.b.Handle(t.Context(), call("elicit", `{}`, "s1", p))
		if got := textOf(res) + fmt.Sprint(err); !strings.Contains(got, "will not say") {
			t.Errorf("%s", got)
		}
	})
}

func TestCancelReachesTheHome(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("enough")
		done := make(chan error)
		go func() {
			_, err := far.b.Handle(ctx, call("wait", `{}`, "s1", &person{}))
			done <- err
		}()
		if name := <-c.began; name != home.name {
			t.Errorf("began on %s", name)
		}
		cancel(cause)
		if err := <-done; !errors.Is(err, cause) {
			t.Errorf("error %v", err)
		}
		<-c.stopped
	})
}

func TestDeadlineAndVoidQuestion(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		_, far := c.away("s1")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p := &person{mute: make(chan struct{})}
		_, err := far.b.Handle(ctx, call("elicit", `{}`, "s1", p))
		if reason, _ := gatewayData(t, err); reason != "timeout" {
			t.Errorf("error %v", err)
		}
		if synctest.Wait(); p.voids != 1 {
			t.Errorf("%d questions ended", p.voids)
		}
	})
}

func TestReleaseReachesTheHome(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		far.b.Release("s1")
		synctest.Wait()
		if len(home.live) != 0 {
			t.Errorf("%d processes run", len(home.live))
		}
		if got := far.text("count", `{}`, "s1"); !strings.HasPrefix(got, "1@") {
			t.Errorf("%s", got)
		}
	})
}

// TestChangedRootsReachTheHome: the instance of a session is told of its client's other
// roots before its next call, whatever nodes hear of them and get the call.
func TestChangedRootsReachTheHome(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		for i := range 3 {
			rooted := call("count", `{}`, "s1", &person{})
			rooted.Peer.Capabilities.Roots = &mcp.RootsCapability{ListChanged: true}
			if _, err := far.b.Handle(t.Context(), rooted); err != nil {
				t.Fatal(err)
			}
			home.mu.Lock()
			told := home.roots
			home.mu.Unlock()
			if told != i {
				t.Errorf("told %d times before call %d", told, i)
			}
			far.b.RootsChanged("s1")
			far.b.RootsChanged("s2")
			synctest.Wait()
		}
	})
}

// TestMissedNotice: a node that missed what was published, without anybody having
// been lost, is told again.
func TestMissedNotice(t *testing.T) {
	three(t, backend.Config{Sharing: backend.Shared}, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		home.deafen(true)
		if err := far.b.Watch(t.Context(), "x:1", true); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if home.b.watching.wanted("x:1") {
			t.Fatal("the home was told")
		}
		home.deafen(false)
		synctest.Wait()
		home.touch("x:1")
		if synctest.Wait(); far.heard(subscription.Resource) != 1 {
			t.Errorf("%d updates at the listener", far.heard(subscription.Resource))
		}
	})
}

func TestWatchReachesTheHome(t *testing.T) {
	for _, sharing := range []backend.Sharing{backend.PerSession, backend.Shared} {
		t.Run(string(sharing), func(t *testing.T) {
			three(t, backend.Config{Sharing: sharing}, func(t *testing.T, c *cell) {
				home, far := c.away("s1")
				if err := far.b.Watch(t.Context(), "x:1", true); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				home.touch("x:1")
				synctest.Wait()
				if far.heard(subscription.Resource) != 1 {
					t.Errorf("%d updates at the listener", far.heard(subscription.Resource))
				}
				late := c.join("n4") // learns what is watched, and starts what sees it
				synctest.Wait()
				if !late.b.watching.wanted("x:1") {
					t.Error("who joins does not know what is watched")
				}
				if err := far.b.Watch(t.Context(), "x:1", false); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				home.touch("x:1")
				synctest.Wait()
				if far.heard(subscription.Resource) != 1 {
					t.Error("updates go on")
				}
				if err := far.b.Watch(t.Context(), "x:1", true); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				c.kill(home.name)
				synctest.Wait()
				now := far.text("count", `{}`, "s1")
				synctest.Wait()
				c.nodes[at(now)].touch("x:1")
				if synctest.Wait(); far.heard(subscription.Resource) != 2 {
					t.Errorf("%d updates after the home was lost", far.heard(subscription.Resource))
				}
				c.kill(far.name)
				synctest.Wait()
				for _, n := range c.nodes {
					if n.b.watching.wanted("x:1") {
						t.Errorf("%s watches for a lost node", n.name)
					}
				}
			})
		})
	}
}

func TestListChangesReachAllNodes(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		home.mu.Lock()
		for s := range home.live {
			s.RemoveTools("refuse")
		}
		home.mu.Unlock()
		synctest.Wait()
		if home.heard(subscription.Tools) != 1 || far.heard(subscription.Tools) != 1 {
			t.Errorf("%d and %d changes", home.heard(subscription.Tools), far.heard(subscription.Tools))
		}
	})
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCell(t, backend.Config{})
		c.limits = Config{MaxBytes: 2 << 20, MaxCalls: 2}
		for _, name := range []string{"n1", "n2", "n3"} {
			c.join(name)
		}
		defer c.close()
		synctest.Wait()
		_, far := c.away("s1")
		if got := far.text("large", `{"text":"1500000"}`, "s1"); len(got) != 1500000 {
			t.Errorf("%d bytes", len(got))
		}
		_, err := far.b.Handle(t.Context(), call("large", `{"text":"3000000"}`, "s1", &person{}))
		if err == nil || !strings.Contains(err.Error(), "limit") {
			t.Errorf("a large result: %v", err)
		}
		_, err = far.b.Handle(t.Context(), call("echo", `{"text":"`+strings.Repeat("x", 3<<20)+`"}`, "s1", &person{}))
		if reason, started := gatewayData(t, err); reason != "too_large" || started != "false" {
			t.Errorf("a large call: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { _, _ = far.b.Handle(ctx, call("wait", `{}`, "s1", &person{})) })
		}
		<-c.began
		<-c.began
		_, err = far.b.Handle(t.Context(), call("count", `{}`, "s1", &person{}))
		if reason, _ := gatewayData(t, err); reason != "busy" {
			t.Errorf("a third call: %v", err)
		}
		cancel()
		wg.Wait()
	})
}

func TestTaskRunsAtItsHome(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		begin := func() *rpc.Deferred {
			t.Helper()
			job := call("job", `{}`, "s1", &person{})
			job.Task, job.AllowTask = &rpc.TaskRequest{TTL: time.Minute}, true
			res, err := far.b.Handle(t.Context(), job)
			if err != nil || res.Deferred == nil {
				t.Fatalf("%s, %v", res.Body, err)
			}
			return res.Deferred
		}
		res, err := begin().Run(t.Context(), &person{})
		if err != nil || textOf(res) != "done accept" {
			t.Errorf("%s, %v", textOf(res), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err = begin().Run(ctx, &person{}); err == nil {
			t.Error("no error of a task that was cancelled")
		}
		<-c.stopped
		unused := begin()
		time.Sleep(2 * startGrace)
		if _, err = unused.Run(t.Context(), &person{}); err == nil {
			t.Error("followed too late")
		}
		lost := begin()
		c.kill(home.name)
		_, err = lost.Run(t.Context(), &person{})
		if reason, started := gatewayData(t, err); reason != "node_lost" || started != "true" {
			t.Errorf("%v", err)
		}
		if c.nodes[far.name].x.calling.Count() != 0 {
			t.Errorf("%d calls are counted", far.x.calling.Count())
		}
	})
}

func BenchmarkCall(b *testing.B) {
	c := newCell(b, backend.Config{}, "n1", "n2", "n3")
	defer c.close()
	home, far := c.away("s1")
	for name, n := range map[string]*node{"home": home, "peer": far} {
		for _, size := range []int{16, 10_000} {
			one := call("echo", `{"text":"`+strings.Repeat("x", size)+`"}`, "s1", &person{})
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := n.b.Handle(context.Background(), one); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
