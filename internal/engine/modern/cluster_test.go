// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/nodes/nodestest"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// trio is three nodes in one process: one ring, one store of tasks, and hubs
// that tell each other.
type trio struct {
	net       *nodestest.Network
	ring      *seal.Ring
	store     task.Store
	configure []func(*Config)
	nodes     map[string]*rig
	old       []*rig // whose nodes have been started again
}

func newTrio(configure ...func(*Config)) *trio {
	n := &trio{net: nodestest.New(), ring: seal.NewRing(), store: task.NewMemory(), configure: configure, nodes: map[string]*rig{}}
	for _, name := range []string{"a", "b", "c"} {
		n.start(name)
	}
	return n
}

// start starts a node, or starts it again as after kill -9: what it was is forgotten.
func (n *trio) start(name string) *rig {
	if old := n.nodes[name]; old != nil {
		n.old = append(n.old, old)
	}
	peers := n.net.Start(name)
	tasks := task.NewSet(task.Config{Store: n.store, Nodes: peers})
	var own *subscription.Hub
	r := newRig(append([]func(*Config){func(c *Config) {
		c.Ring, c.Nodes, c.Tasks, own = n.ring, peers, tasks, c.Hub
	}}, n.configure...)...)
	r.tasks.Close()
	r.tasks = tasks
	own.Share(func(e subscription.Event) {
		for other, to := range n.nodes {
			if other != name {
				to.hub.Deliver(e)
			}
		}
	})
	n.nodes[name] = r
	return r
}

func (n *trio) close() {
	for _, r := range n.nodes {
		r.close()
	}
	for _, r := range n.old {
		r.close()
	}
	synctest.Wait()
}

// onTrio runs f with nodes a, b and c under a fake clock.
func onTrio(t *testing.T, f func(t *testing.T, n *trio), configure ...func(*Config)) {
	synctest.Test(t, func(t *testing.T) {
		n := newTrio(configure...)
		defer n.close()
		f(t, n)
	})
}

const lostReason = `"data":{"gateway":{"reason":"node_lost","started":true},"restart":true}`

// progressive asks for progress too.
var progressive = strings.Replace(usualMeta, "{", `{"progressToken":"p",`, 1)

func progressiveExchange(tool string, id int, extra string) *exchange {
	x := callExchange(tool, id, extra)
	x.body = []byte(strings.Replace(string(x.body), usualMeta, progressive, 1))
	return x
}

// TestRetryElsewhere: each round of a call reaches another node, and everything
// of the call comes back there.
func TestRetryElsewhere(t *testing.T) {
	onTrio(t, func(t *testing.T, n *trio) {
		token := n.nodes["a"].post(callExchange("ask-twice", 1, "").as("anna")).token(t)
		n.nodes["b"].post(callExchange("ask-twice", 2, retry(token)).as("bert")).want(t, 400, "not valid for this request")
		second := n.nodes["b"].post(progressiveExchange("ask-twice", 3, retry(token)).as("anna"))
		status, events := second.got()
		lines := strings.Split(events, "\n")
		if status != 200 || len(lines) != 3 || !strings.Contains(lines[0], `{"progressToken":"p","progress":2}`) ||
			!strings.Contains(lines[1], `"id":3,"result":{"resultType":"input_required"`) {
			t.Fatalf("at b: %d %s", status, events)
		}
		result, _ := jsonrpc.Get(Raw(lines[1]), "result")
		raw, _ := jsonrpc.Get(result, "requestState")
		token2, _ := jsonrpc.Unquote(raw)
		third := n.nodes["c"].post(callExchange("ask-twice", 4, retry(token2)).as("anna"))
		third.want(t, 200, `"id":4,"result":{"resultType":"complete"`)
		n.nodes["b"].post(callExchange("ask-twice", 5, retry(token2)).as("anna")).want(t, 400, "start over")
		if n.nodes["a"].lot.find(callID{}) != nil || len(n.nodes["a"].lot.calls) != 0 {
			t.Error("the lot still holds the call")
		}
	})
}

func TestRetryAtHomeStaysThere(t *testing.T) {
	onTrio(t, func(t *testing.T, n *trio) {
		token := n.nodes["a"].post(callExchange("ask", 1, "")).token(t)
		n.net.Cut("a") // so that forwarding would fail
		n.nodes["a"].post(callExchange("ask", 2, retry(token))).want(t, 200, "complete")
	})
}

// TestReturnedStateNeedsNoHome: a handler that returns its questions keeps nothing.
func TestReturnedStateNeedsNoHome(t *testing.T) {
	onTrio(t, func(t *testing.T, n *trio) {
		token := n.nodes["a"].post(callExchange("input", 1, "")).token(t)
		n.net.Cut("a")
		token = n.nodes["b"].post(callExchange("input", 2, retry(token))).token(t)
		n.nodes["c"].post(callExchange("input", 3, retry(token))).want(t, 200, "state-ok")
	})
}

// asksThenWaits asks and then runs until it is cancelled.
func asksThenWaits(causes chan error) func(*Config) {
	return func(c *Config) {
		c.Handler = rpc.HandlerFunc(func(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
			if _, err := call.Client.Ask(ctx, map[string]rpc.InputRequest{"name": name}); err != nil {
				causes <- err
				return rpc.Result{}, err
			}
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return rpc.Result{}, context.Cause(ctx)
		})
	}
}

func TestDisconnectElsewhereCancelsAtHome(t *testing.T) {
	causes := make(chan error, 1)
	onTrio(t, func(t *testing.T, n *trio) {
		token := n.nodes["a"].post(callExchange("x", 1, "")).token(t)
		second := n.nodes["b"].post(callExchange("x", 2, retry(token)))
		second.want(t, 0, "")
		n.nodes["c"].post(callExchange("x", 3, retry(token))).want(t, 400, "used by another retry")
		second.leave()
		synctest.Wait()
		if err := <-causes; !errors.Is(err, engine.ErrDisconnected) {
			t.Errorf("cause %v", err)
		}
		n.nodes["c"].post(callExchange("x", 4, retry(token))).want(t, 400, "start over")
	}, asksThenWaits(causes))
}

// TestCancelledOnConnElsewhere: notifications/cancelled at one node cancels at another.
func TestCancelledOnConnElsewhere(t *testing.T) {
	causes := make(chan error, 1)
	onTrio(t, func(t *testing.T, n *trio) {
		token := n.nodes["a"].post(callExchange("x", 1, "")).token(t)
		mine, theirs := transport.Pipe()
		served := make(chan error, 1)
		go func() { served <- n.nodes["b"].engine.ServeConn(t.Context(), theirs) }()
		for _, msg := range []string{callBody("x", 7, retry(token)), `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`} {
			if err := mine.Write([]byte(msg)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if err := <-causes; !errors.Is(err, engine.ErrCancelled) {
			t.Errorf("cause %v", err)
		}
		mine.Close()
		<-served
	}, asksThenWaits(causes))
}

func TestHomeLost(t *testing.T) {
	causes := make(chan error, 4)
	onTrio(t, func(t *testing.T, n *trio) {
		before := n.nodes["a"].post(callExchange("x", 1, "")).token(t)
		during := n.nodes["a"].post(callExchange("x", 2, "")).token(t)
		waiting := n.nodes["b"].post(callExchange("x", 3, retry(during)))
		waiting.want(t, 0, "")
		n.net.Cut("a")
		synctest.Wait()
		waiting.want(t, 500, lostReason)
		n.nodes["c"].post(callExchange("x", 4, retry(before))).want(t, 500, lostReason)
		if err := <-causes; !errors.Is(err, engine.ErrDisconnected) {
			t.Errorf("what hung ended with %v", err)
		}
		again := n.start("a")
		again.post(callExchange("x", 5, retry(before))).want(t, 500, lostReason)
		n.nodes["b"].post(callExchange("x", 6, retry(before))).want(t, 500, lostReason)
	}, asksThenWaits(causes))
}

// TestUnreachedHome: nothing has begun, and the client is told to repeat.
func TestUnreachedHome(t *testing.T) {
	onTrio(t, func(t *testing.T, n *trio) {
		token := n.nodes["a"].post(callExchange("ask", 1, "")).token(t)
		n.net.Cut("b")
		x := n.nodes["b"].post(callExchange("ask", 2, retry(token)))
		time.Sleep(noticeLoss)
		synctest.Wait()
		x.want(t, 503, "repeat the request")
		if !strings.Contains(x.headers(), "Retry-After: 1") {
			t.Error("no Retry-After")
		}
		n.nodes["c"].post(callExchange("ask", 3, retry(token))).want(t, 200, "complete")
	})
}

func TestHomeCloses(t *testing.T) {
	causes := make(chan error, 1)
	onTrio(t, func(t *testing.T, n *trio) {
		token := n.nodes["a"].post(callExchange("x", 1, "")).token(t)
		waiting := n.nodes["b"].post(callExchange("x", 2, retry(token)))
		n.nodes["a"].Close()
		synctest.Wait()
		waiting.want(t, 500, "shutting down")
		<-causes
	}, asksThenWaits(causes))
}

// TestDrainKeepsParked: a draining home takes retries, forwarded or not, until
// its calls have ended; a draining node forwards none.
func TestDrainKeepsParked(t *testing.T) {
	onTrio(t, func(t *testing.T, n *trio) {
		token := n.nodes["a"].post(callExchange("ask", 1, "")).token(t)
		n.nodes["c"].drainNow()
		n.nodes["c"].post(callExchange("ask", 2, retry(token))).want(t, 503, "busy")
		drained := make(chan error, 1)
		go func() { drained <- n.nodes["a"].Drain(t.Context()) }()
		synctest.Wait()
		n.nodes["b"].post(callExchange("ask", 3, retry(token))).want(t, 200, "complete")
		if err := <-drained; err != nil {
			t.Error(err)
		}
	})
}

func (r *rig) drainNow() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = r.Drain(ctx)
}

// TestOutcomeWaitsForRetryElsewhere also has one that takes several parts.
func TestOutcomeWaitsForRetryElsewhere(t *testing.T) {
	long := strings.Repeat("x", 3*nodes.PartBytes)
	handler := rpc.HandlerFunc(func(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, _ = call.Client.Ask(short, map[string]rpc.InputRequest{"name": name})
		return text(long)
	})
	onTrio(t, func(t *testing.T, n *trio) {
		token := n.nodes["a"].post(callExchange("x", 1, "")).token(t)
		time.Sleep(2 * time.Second)
		n.nodes["b"].post(callExchange("x", 2, retry(token))).want(t, 200, long)
	}, func(c *Config) { c.Handler = handler })
}

// TestLongAnswersToQuestions: a retry that takes several parts.
func TestLongAnswersToQuestions(t *testing.T) {
	onTrio(t, func(t *testing.T, n *trio) {
		token := n.nodes["a"].post(callExchange("ask", 1, "")).token(t)
		long := strings.Repeat("y", 3*nodes.PartBytes)
		extra := fmt.Sprintf(`,"inputResponses":{"name":{"action":"accept","content":{"n":%q}}},"requestState":%q`, long, token)
		n.nodes["b"].post(callExchange("ask", 2, extra)).want(t, 200, long)
	})
}

// TestTaskFollowedElsewhere: a listener at b hears of a task that a runs and c
// is sent the answers for.
func TestTaskFollowedElsewhere(t *testing.T) {
	onTrio(t, func(t *testing.T, n *trio) {
		x := n.nodes["a"].post(callExchange("job-asks", 1, ""))
		_, reply := x.got()
		result, _ := jsonrpc.Get(Raw(reply), "result")
		raw, _ := jsonrpc.Get(result, "taskId")
		id, _ := jsonrpc.Unquote(raw)
		heard := n.nodes["b"].post(listenExchange(2, fmt.Sprintf(`{"taskIds":[%q]}`, id)))
		defer heard.end()
		if events := heard.events(); len(events) != 2 || !strings.Contains(events[1], `"status":"input_required"`) {
			t.Fatalf("at first: %q", events)
		}
		n.nodes["c"].post(taskExchange(3, mcp.MethodUpdateTask, id, `,"inputResponses":{"a":{},"b":{}}`)).want(t, 200, `"complete"`)
		time.Sleep(time.Second)
		synctest.Wait()
		events := heard.events()
		if last := events[len(events)-1]; !strings.Contains(last, `"status":"completed"`) || !strings.Contains(last, `"isError":true`) {
			t.Errorf("heard %q", events)
		}
		n.nodes["c"].post(taskExchange(4, mcp.MethodGetTask, id, "")).want(t, 200, `"status":"completed"`)
	})
}

func TestTaskOfLostNode(t *testing.T) {
	onTrio(t, func(t *testing.T, n *trio) {
		x := n.nodes["a"].post(callExchange("job-runs", 1, ""))
		_, reply := x.got()
		result, _ := jsonrpc.Get(Raw(reply), "result")
		raw, _ := jsonrpc.Get(result, "taskId")
		id, _ := jsonrpc.Unquote(raw)
		heard := n.nodes["b"].post(listenExchange(2, fmt.Sprintf(`{"taskIds":[%q]}`, id)))
		defer heard.end()
		heard.events()
		n.net.Cut("a")
		synctest.Wait()
		if events := heard.events(); len(events) != 1 || !strings.Contains(events[0], `"status":"failed"`) || !strings.Contains(events[0], `"reason":"node_lost"`) {
			t.Errorf("heard %q", events)
		}
		n.nodes["c"].post(taskExchange(3, mcp.MethodGetTask, id, "")).want(t, 200, `"reason":"node_lost"`)
		n.nodes["c"].post(taskExchange(4, mcp.MethodCancelTask, id, "")).want(t, 200, `"complete"`)
	})
}

func taskExchange(id int, method, taskID, extra string) *exchange {
	return newExchange(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{"taskId":%q,"_meta":%s%s}}`, id, method, taskID, usualMeta, extra),
		"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", method, "Mcp-Name", taskID, "Accept", "application/json, text/event-stream")
}

// TestKeyNotHeardOf holds that a requestState sealed with a key that a node may not
// have heard of is not called invalid there.
func TestKeyNotHeardOf(t *testing.T) {
	onTrio(t, func(t *testing.T, n *trio) {
		for _, tool := range []string{"ask", "input"} { // a parked call, and a handler's own state
			token := n.nodes["a"].post(callExchange(tool, 1, "")).token(t)
			was := n.ring
			n.ring = seal.NewRing()
			n.ring.Follow(func(context.Context) error { return errors.New("cut off") })
			x := n.start("b").post(callExchange(tool, 2, retry(token)))
			x.want(t, 503, "repeat the request")
			if !slices.Contains(x.out, [2]string{"Retry-After", "1"}) {
				t.Errorf("no Retry-After in %q", x.out)
			}
			n.ring = was
			n.start("b").post(callExchange(tool, 3, retry(token))).want(t, 200, "")
		}
	})
}
