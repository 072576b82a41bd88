// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/nodes/nodestest"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// modernThree runs f with three nodes whose processes ask by returning.
func modernThree(t *testing.T, f func(t *testing.T, c *cell)) {
	synctest.Test(t, func(t *testing.T) {
		c := newCell(t, backend.Config{})
		c.era = mcp.Modern
		for _, name := range []string{"a", "b", "c"} {
			c.join(name)
		}
		defer c.close()
		f(t, c)
	})
}

// asked makes a call that is answered with a question, and returns the call with the answer.
func asked(t *testing.T, handle func(*rpc.Call) (rpc.Result, error)) *rpc.Call {
	t.Helper()
	return askedBy(t, "elicit", handle)
}

// askedBy is asked for the tool that asks.
func askedBy(t *testing.T, tool string, handle func(*rpc.Call) (rpc.Result, error)) *rpc.Call {
	t.Helper()
	p := &person{}
	one := call(tool, `{}`, "s1", p)
	res, err := handle(one)
	if err != nil || res.Input == nil {
		t.Fatalf("no question: %s, %v", res.Body, err)
	}
	one.Input.State = res.Input.State
	one.Input.Responses, _ = p.Ask(t.Context(), res.Input.Requests)
	return one
}

// TestAnswerReachesWhoAsked: also when the home has moved since.
func TestAnswerReachesWhoAsked(t *testing.T) {
	modernThree(t, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		answered := asked(t, func(call *rpc.Call) (rpc.Result, error) { return far.b.Handle(t.Context(), call) })
		home.setReady(false)
		drained := make(chan error, 1)
		go func() { drained <- home.x.Drain(t.Context()) }()
		synctest.Wait()
		if got := far.text("count", `{}`, "s1"); at(got) == home.name {
			t.Errorf("a home that leaves took a new call: %s", got)
		}
		select {
		case err := <-drained:
			t.Errorf("drained before the answer came: %v", err)
		default:
		}
		res, err := c.other(far.name).b.Handle(t.Context(), answered)
		if got := textOf(res); err != nil || got != "accept Ada" {
			t.Errorf("%q, %v", got, err)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
	})
}

// TestAnswerToWhoIsGone: the caller hears that its call is lost, and does not
// reach a process that knows nothing of it.
func TestAnswerToWhoIsGone(t *testing.T) {
	modernThree(t, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		answered := asked(t, func(call *rpc.Call) (rpc.Result, error) { return far.b.Handle(t.Context(), call) })
		c.kill(home.name)
		synctest.Wait()
		for range 2 { // and again when a node of that name is back
			_, err := far.b.Handle(t.Context(), answered)
			if reason, _ := gatewayData(t, err); reason != "node_lost" {
				t.Errorf("error %v", err)
			}
			if c.nodes[home.name] == nil {
				c.join(home.name)
				synctest.Wait()
			}
		}
	})
}

// TestAnswerToWhoWasAway: a node that was stopped or cut off for a moment still has
// the process that asked.
func TestAnswerToWhoWasAway(t *testing.T) {
	for name, tc := range map[string]struct {
		away   time.Duration
		reason string // of the error; empty for none
	}{"a moment": {absence / 2, ""}, "longer": {2 * absence, "node_lost"}} {
		t.Run(name, func(t *testing.T) {
			modernThree(t, func(t *testing.T, c *cell) {
				home, far := c.away("s1")
				answered := asked(t, func(call *rpc.Call) (rpc.Result, error) { return far.b.Handle(t.Context(), call) })
				home.cut(1)
				back := time.AfterFunc(tc.away, func() { home.cut(0) })
				defer back.Stop()
				began := time.Now()
				res, err := far.b.Handle(t.Context(), answered)
				if tc.reason == "" && (err != nil || textOf(res) != "accept Ada") {
					t.Errorf("%q, %v", textOf(res), err)
				}
				if tc.reason != "" {
					if reason, _ := gatewayData(t, err); reason != tc.reason {
						t.Errorf("error %v, want %s", err, tc.reason)
					}
				}
				if took := time.Since(began); took > absence+retryBound {
					t.Errorf("after %v", took)
				}
			})
		})
	}
}

// TestAnswerIsGivenOnce: an answer that is sent again, because it may not have
// arrived, is not given twice.
func TestAnswerIsGivenOnce(t *testing.T) {
	modernThree(t, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		answered := asked(t, func(call *rpc.Call) (rpc.Result, error) { return far.b.Handle(t.Context(), call) })
		asker, rest, ok := bound(answered.Input.State)
		if !ok || asker.Node != home.name {
			t.Fatalf("the question is bound to %q, want %q", asker.Node, home.name)
		}
		answered.Input.State = rest
		to := search{bound: asker.Instance, again: true}
		if out := far.b.send(t.Context(), asker.Node, to, answered); out.err != nil || textOf(out.res) != "accept Ada" {
			t.Errorf("the first that arrives: %q, %v", textOf(out.res), out.err)
		}
		if out := far.b.send(t.Context(), asker.Node, to, answered); !out.lost { // else the process saw it, whatever it said
			t.Errorf("the next: %q, %v", textOf(out.res), out.err)
		}
	})
}

// TestPinned: of instances of which each node has its own, an answer reaches the
// one that asked.
func TestPinned(t *testing.T) {
	modernThree(t, func(t *testing.T, c *cell) {
		pinned := map[string]*Pinned{}
		for name, n := range c.nodes {
			cfg := backend.Config{Name: "each", Launch: n.launch, Log: n.x.cfg.Log, Sharing: backend.Shared, Processes: backend.NewSlots(10)}
			pinned[name] = n.x.Pinned("each", backend.New(cfg, func(event) {}))
			defer pinned[name].Close()
		}
		answered := asked(t, func(call *rpc.Call) (rpc.Result, error) { return pinned["a"].Handle(t.Context(), call) })
		res, err := pinned["b"].Handle(t.Context(), answered)
		if got := textOf(res); err != nil || got != "accept Ada" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestBoundState(t *testing.T) {
	n := nodestest.New().Start("n1")
	_, instance := n.Self()
	b := &Backend{x: &Exchange{nodes: n, self: "n1"}, name: "inner"}
	res := b.bind(rpc.Result{Input: &rpc.InputRequired{State: []byte("rest")}})
	asker, rest, ok := bound(res.Input.State)
	if !ok || asker.Node != "n1" || asker.Instance != instance || asker.ID != "inner" || string(rest) != "rest" {
		t.Errorf("%+v %q %t", asker, rest, ok)
	}
	for _, state := range []string{"", "b", "x1", "b\xff", "b\x7f", "b\x01a\x05b"} {
		if _, _, ok := bound([]byte(state)); ok {
			t.Errorf("%q says where it is for", state)
		}
	}
	if res := b.bind(rpc.Result{}); res.Input != nil {
		t.Error("a result without questions got some")
	}
}

// TestAnswerAfterRepeat: a call that may be repeated begins again when the node
// that asked is gone.
func TestAnswerAfterRepeat(t *testing.T) {
	modernThree(t, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		answered := askedBy(t, "safeelicit", func(call *rpc.Call) (rpc.Result, error) { return far.b.Handle(t.Context(), call) })
		c.kill(home.name)
		synctest.Wait()
		res, err := far.b.Handle(t.Context(), answered)
		if err != nil || res.Input == nil {
			t.Fatalf("the call was not made again: %s, %v", res.Body, err)
		}
		answered.Input.State = res.Input.State
		res, err = far.b.Handle(t.Context(), answered)
		if got := textOf(res); err != nil || got != "accept Ada" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// TestAnswerReachesReplaced: an instance that had to give its home up to another
// node's still takes the answers to what it asked.
func TestAnswerReachesReplaced(t *testing.T) {
	modernThree(t, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		answered := asked(t, func(call *rpc.Call) (rpc.Result, error) { return far.b.Handle(t.Context(), call) })
		home.b.noticed(&notice{Node: far.name, Server: "inner", Held: []heldKey{{keyOf("inner", home.b.inner.Whose(answered)), 1 << 20}}})
		res, err := c.other(home.name).b.Handle(t.Context(), answered)
		if got := textOf(res); err != nil || got != "accept Ada" {
			t.Errorf("%q, %v", got, err)
		}
	})
}
