// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/engine/legacy"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/nodes/nodestest"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/session/sessiontest"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestFeed holds the tests' own store against the contract.
func TestFeed(t *testing.T) {
	sessiontest.RunFeed(t, func(t *testing.T) (a, b session.Feed) {
		g := newGroup()
		nodes := startGroup(t, g, legacy.Config{}, "a", "b")
		return nodes[0], nodes[1]
	})
}

// startGroup starts nodes with common keys that are drained with the test.
func startGroup(t *testing.T, g *group, cfg legacy.Config, names ...string) []*node {
	t.Helper()
	if cfg.Ring == nil {
		cfg.Ring = seal.NewRing()
	}
	var nodes []*node
	for _, name := range names {
		n := g.start(name, cfg, session.Config{})
		nodes = append(nodes, n)
		t.Cleanup(func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if err := n.protocol.Drain(ctx); err != nil {
				t.Errorf("Drain: %v", err)
			}
		})
	}
	return nodes
}

// ask sends one request of a session to a node and returns its exchange.
func (n *node) ask(token, verb, lastEvent, body string) *exchange {
	x := newExchange(verb, body, nil)
	x.header = http.Header{"Accept": {"application/json, text/event-stream"}}
	if token != "" {
		x.header.Set(mcp.HeaderSessionID, token)
	}
	if lastEvent != "" {
		x.header.Set(mcp.HeaderLastEventID, lastEvent)
	}
	n.engine.ServeExchange(x)
	return x
}

func (n *node) initialize(capabilities string) string {
	return n.initializeAs("2025-11-25", capabilities)
}

func (n *node) initializeAs(version, capabilities string) string {
	x := n.ask("", "POST", "", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"`+version+`",`+
		`"clientInfo":{"name":"client","version":"2"},"capabilities":`+capabilities+`}}`)
	return x.reply.Get(mcp.HeaderSessionID)
}

func call(id, tool, arguments string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":%q,"arguments":%s,"_meta":{"progressToken":%s}}}`, id, tool, arguments, id)
}

// lastID returns the id of the last event that an exchange has been sent.
func (x *exchange) lastID() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, line := range slices.Backward(x.out) {
		if rest, ok := strings.CutPrefix(line, "id: "); ok {
			id, _, _ := strings.Cut(rest, " ")
			return id
		}
	}
	return ""
}

func (x *exchange) all() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.Join(x.out, "\n")
}

// TestClusterReadsItsWrites: what was acknowledged at one node counts at the others
// at once, although changes take a while to arrive.
func TestClusterReadsItsWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		g.lag = 20 * time.Millisecond
		var mu sync.Mutex
		ended := map[string]int{}
		cfg := legacy.Config{Ended: func(id string) {
			mu.Lock()
			defer mu.Unlock()
			ended[id]++
		}}
		nodes := startGroup(t, g, cfg, "a", "b", "c")
		token := nodes[0].initialize(`{"elicitation":{},"extensions":{"x":{"y":1}}}`)
		if got := nodes[1].ask(token, "POST", "", call("1", "who", "{}")).all(); !strings.Contains(got, `\"extensions\"`) {
			t.Errorf("capabilities at another node: %s", got)
		}
		for i, level := range []string{"error", "debug", "error"} {
			nodes[i].ask(token, "POST", "", fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"logging/setLevel","params":{"level":%q}}`, 10+i, level))
			got := nodes[(i+1)%3].ask(token, "POST", "", call(fmt.Sprint(20+i), "log", "{}"))
			synctest.Wait()
			if debug := strings.Contains(got.all(), `"level":"debug"`); debug != (level == "debug") {
				t.Errorf("after level %s: %s", level, got.all())
			}
		}
		if x := nodes[0].ask(token, "DELETE", "", ""); x.status != 204 {
			t.Fatalf("DELETE: %d", x.status)
		}
		for _, n := range nodes {
			if x := n.ask(token, "POST", "", `{"jsonrpc":"2.0","id":30,"method":"ping"}`); x.status != 404 {
				t.Errorf("node %s answers a deleted session %d", n.name, x.status)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		for id, times := range ended {
			if len(ended) != 1 || times != len(nodes) {
				t.Errorf("session %s ended %d times", id, times)
			}
		}
	})
}

// TestClusterSlowNode: a node that does not answer delays a change within bounds
// and stops nothing; nobody hears of two outcomes when it wakes up.
func TestClusterSlowNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		nodes := startGroup(t, g, legacy.Config{}, "a", "b", "c")
		token := nodes[0].initialize(`{}`)
		x := nodes[0].ask(token, "POST", "", call("7", "progress", `{"n":5}`))
		synctest.Wait()
		at := x.lastID()
		nodes[0].set(func(s *nodestest.State) { s.Hung = true })
		x.leave()
		begun := time.Now()
		if got := nodes[1].ask(token, "POST", "", `{"jsonrpc":"2.0","id":8,"method":"logging/setLevel","params":{"level":"error"}}`); got.status != 200 {
			t.Errorf("setLevel: %d", got.status)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("setLevel took %v", took)
		}
		// It is taken for lost, though it runs on.
		nodes[0].setSilent(true)
		first := nodes[1].ask(token, "GET", at, "")
		if !strings.Contains(first.all(), `"reason":"node_lost"`) || !strings.Contains(first.all(), `"id":7`) {
			t.Fatalf("the call's outcome: %s", first.all())
		}
		nodes[0].set(func(s *nodestest.State) { s.Hung, s.Silent = false, false })
		time.Sleep(time.Minute) // it goes on to the end and copies its events
		nodes[0].die()
		again := nodes[2].ask(token, "GET", at, "")
		if diff := cmp.Diff(first.all(), again.all()); diff != "" {
			t.Errorf("another outcome (-first +again):\n%s", diff)
		}
	})
}

// TestClusterAnswerAtANodeApart: an answer that meets a node which is cut off is
// delivered when that is over, or the client hears that it was not.
func TestClusterAnswerAtANodeApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := startGroup(t, newGroup(), legacy.Config{}, "a", "b")
		token := nodes[0].initialize(`{"elicitation":{}}`)
		apart := func(is bool) {
			nodes[1].set(func(s *nodestest.State) { s.Apart = is })
		}
		x := nodes[0].ask(token, "POST", "", call("1", "elicit", "{}"))
		synctest.Wait()
		question := regexp.MustCompile(`"id":("[^"]+"),"method":"elicitation/create"|"method":"elicitation/create"[^}]*"id":("[^"]+")`).FindStringSubmatch(x.all())
		if question == nil {
			t.Fatalf("no question: %s", x.all())
		}
		answer := `{"jsonrpc":"2.0","id":` + question[1] + question[2] + `,"result":{"action":"accept","content":{"name":"Ada"}}}`
		apart(true)
		if got := nodes[1].ask(token, "POST", "", answer); got.status != 503 {
			t.Errorf("an answer that cannot be brought anywhere: %d", got.status)
		}
		time.AfterFunc(time.Second, func() { apart(false) })
		if got := nodes[1].ask(token, "POST", "", answer); got.status != 202 {
			t.Errorf("an answer to a node that comes back: %d", got.status)
		}
		synctest.Wait()
		if !strings.Contains(x.all(), "Ada") {
			t.Errorf("the call got %s", x.all())
		}
	})
}

// TestClusterHealthyStreamWritesNothing: only what a client may ask another node
// for is written to the common log.
func TestClusterHealthyStreamWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		nodes := startGroup(t, g, legacy.Config{}, "a", "b")
		token := nodes[0].initialize(`{}`)
		x := nodes[0].ask(token, "POST", "", call("1", "progress", `{"n":50}`))
		time.Sleep(time.Hour)
		if !strings.Contains(x.all(), "done 50") || g.written() != 0 {
			t.Errorf("%d events were written for a healthy stream", g.written())
		}
		x = nodes[0].ask(token, "POST", "", call("2", "progress", `{"n":5}`))
		synctest.Wait()
		x.leave()
		time.Sleep(time.Minute)
		if g.written() != 7 {
			t.Errorf("%d events were written for a stream that was left, want all 7", g.written())
		}
	})
}

// TestClusterCopiesLater: what the log did not take while there was no majority
// is there once there is one.
func TestClusterCopiesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		nodes := startGroup(t, g, legacy.Config{}, "a", "b")
		token := nodes[0].initialize(`{}`)
		x := nodes[0].ask(token, "POST", "", call("1", "progress", `{"n":3}`))
		synctest.Wait()
		at := x.lastID()
		x.leave()
		g.quorum(false)
		time.Sleep(5 * time.Second)
		g.quorum(true)
		time.Sleep(2 * time.Second)
		nodes[0].die()
		if got := nodes[1].ask(token, "GET", at, "").all(); !strings.Contains(got, "done 3") {
			t.Errorf("after the home's loss: %s", got)
		}
	})
}

// TestClusterLargeEvents: an event larger than a frame goes from home to client whole.
func TestClusterLargeEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := startGroup(t, newGroup(), legacy.Config{}, "a", "b")
		token := nodes[0].initialize(`{"elicitation":{}}`)
		x := nodes[0].ask(token, "POST", "", call("1", "elicit", "{}"))
		synctest.Wait()
		question := x.all()
		_, question, _ = strings.Cut(question, `"id":"`)
		question, _, _ = strings.Cut(question, `"`)
		at := x.lastID()
		x.leave()
		y := nodes[1].ask(token, "GET", at, "")
		big := strings.Repeat("x", 1<<20)
		if got := nodes[1].ask(token, "POST", "", fmt.Sprintf(`{"jsonrpc":"2.0","id":%q,"result":{"action":"accept","content":{"name":%q}}}`, question, big)); got.status != 202 {
			t.Fatalf("answer: %s", got.all())
		}
		synctest.Wait()
		if got := y.all(); !strings.Contains(got, big) || !strings.HasSuffix(got, "closed") || strings.Count(got, "id: ") != 1 {
			t.Errorf("the large event arrived as %d bytes", len(got))
		}
	})
}

// TestClusterAside: what belongs to no call goes on the GET stream, wherever it is.
func TestClusterAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tasks := task.NewSet(task.Config{})
		defer tasks.Close()
		handler := func(ctx context.Context, c *rpc.Call) (rpc.Result, error) {
			if c.Method != mcp.MethodCallTool {
				return fixture(ctx, c)
			}
			return rpc.Result{Deferred: &rpc.Deferred{TTL: time.Hour, Poll: time.Second, Run: func(ctx context.Context, client rpc.Client) (rpc.Result, error) {
				return text("ran"), client.Notify(ctx, mcp.NotificationMessage, rpc.Raw(`{"level":"error","data":"from the task"}`))
			}}}, nil
		}
		nodes := startGroup(t, newGroup(), legacy.Config{Handler: rpc.HandlerFunc(handler), Tasks: tasks}, "a", "b")
		token := nodes[0].initialize(`{}`)
		get := nodes[1].ask(token, "GET", "", "")
		nodes[0].ask(token, "POST", "", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","task":{}}}`)
		synctest.Wait()
		if !strings.Contains(get.all(), "from the task") {
			t.Errorf("the GET stream of another node got %s", get.all())
		}
	})
}

// TestClusterDrainsFollowers: a node that leaves sends away the clients of streams
// that live elsewhere, and does not wait for these streams' calls.
func TestClusterDrainsFollowers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		nodes := startGroup(t, g, legacy.Config{}, "a", "b", "c")
		token := nodes[0].initialize(`{}`)
		x := nodes[0].ask(token, "POST", "", call("1", "progress", `{"n":100}`))
		synctest.Wait()
		y := nodes[1].ask(token, "GET", x.lastID(), "")
		time.Sleep(3500 * time.Millisecond)
		if err := nodes[1].protocol.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := y.all(); !strings.HasSuffix(got, "retry: 1000 | data: \nclosed") {
			t.Errorf("the followed stream ended with %s", got)
		}
		z := nodes[2].ask(token, "GET", y.lastID(), "")
		time.Sleep(time.Hour)
		seen := append(progressOf(y.all()), progressOf(z.all())...)
		if len(seen) != 99 || !slices.IsSorted(seen) { // the first went on x
			t.Errorf("progress seen: %v", seen)
		}
	})
}

func progressOf(out string) (seen []int) {
	for line := range strings.Lines(out) {
		var n int
		if _, rest, ok := strings.Cut(line, `"progress":`); ok {
			if _, err := fmt.Sscanf(rest, "%d", &n); err == nil {
				seen = append(seen, n)
			}
		}
	}
	return seen
}

// TestClusterIDs: the ids that clients carry stay short.
func TestClusterIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := startGroup(t, newGroup(), legacy.Config{}, strings.Repeat("long-node-name_", 4))
		token := nodes[0].initialize(`{"elicitation":{}}`)
		for _, id := range []string{"1", "9007199254740991", `"` + strings.Repeat("x", 16) + `"`, `"` + strings.Repeat("x", 1000) + `"`} {
			x := nodes[0].ask(token, "POST", "", call(id, "elicit", "{}"))
			synctest.Wait()
			_, question, _ := strings.Cut(x.all(), `{"jsonrpc":"2.0","id":"`)
			question, _, _ = strings.Cut(question, `"`)
			if event := x.lastID(); len(event) > 64 || len(question) > 64 || question == "" {
				t.Errorf("request %.30s: event id %q, question id %q", id, event, question)
			}
		}
	})
}

// TestClusterForeignSession: a stream is continued for its own session only.
func TestClusterForeignSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		nodes := startGroup(t, g, legacy.Config{}, "a", "b")
		mine, other := nodes[0].initialize(`{}`), nodes[0].initialize(`{}`)
		x := nodes[0].ask(mine, "POST", "", call("1", "progress", `{"n":3}`))
		synctest.Wait()
		at := x.lastID()
		x.leave()
		time.Sleep(time.Minute)
		if got := nodes[1].ask(other, "GET", at, ""); got.status != 400 {
			t.Errorf("another session's stream at its home's neighbour: %s", got.all())
		}
		nodes[0].die()
		if got := nodes[1].ask(other, "GET", at, ""); strings.Contains(got.all(), "done 3") {
			t.Errorf("another session's stream from the log: %s", got.all())
		}
	})
}

// TestClusterRaces lets sessions do everything at once on three nodes.
func TestClusterRaces(t *testing.T) {
	hub := &subscription.Hub{}
	g := newGroup()
	g.lag = time.Millisecond
	nodes := startGroup(t, g, legacy.Config{Handler: rpc.HandlerFunc(chatty), Hub: hub}, "a", "b", "c")
	anyone := func() *node { return nodes[rand.IntN(len(nodes))] }
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			token := anyone().initialize(`{"elicitation":{}}`)
			var inner sync.WaitGroup
			for w := range 4 {
				inner.Go(func() {
					for i := range 30 {
						id := w*1000 + i
						switch rand.IntN(8) {
						case 0:
							anyone().ask(token, "GET", "", "").leave()
						case 1:
							anyone().ask(token, "GET", "gAAAAAAAAAAAA@AAAAAAAAAA-1", "")
						case 2:
							anyone().ask(token, "POST", "", fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}`, id-1))
						case 3:
							anyone().ask(token, "POST", "", fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"resources/subscribe","params":{"uri":"test://%d"}}`, id, i%3))
							hub.Publish(subscription.Event{Topic: subscription.Topic{Kind: subscription.Resource, Key: "test://1"}})
						default:
							x := anyone().ask(token, "POST", "", call(fmt.Sprint(id), "x", "{}"))
							if at := x.lastID(); at != "" {
								y := anyone().ask(token, "GET", at, "")
								if y.status == 404 || y.status == 0 {
									t.Errorf("resume: %s", y.all())
								}
							}
						}
					}
				})
			}
			inner.Wait()
			anyone().ask(token, "DELETE", "", "")
		})
	}
	wg.Wait()
	for _, n := range nodes {
		if err := n.protocol.Drain(t.Context()); err != nil {
			t.Errorf("Drain: %v", err)
		}
	}
	for _, n := range nodes { // an endpoint's Close after its Drain
		if err := n.protocol.Drain(t.Context()); err != nil {
			t.Errorf("second Drain: %v", err)
		}
	}
}

// TestClusterNeedsFeed: peers without a feed of changes are a programmer's error.
func TestClusterNeedsFeed(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New took peers without a feed")
		}
	}()
	n := nodestest.New().Start("a")
	legacy.New(legacy.Config{Handler: rpc.HandlerFunc(fixture), Nodes: n, Sessions: session.NewRegistry(session.Config{})})
}

// FuzzPeerMessage: what another node says never ends this one.
func FuzzPeerMessage(f *testing.F) {
	for _, kind := range []string{"m", "a", "r", "g", "f", "z"} {
		f.Add([]byte(kind + "0123456789abcdef" + `{"jsonrpc":"2.0","id":"q1@AAAAAAAAAA","result":{}}`))
		f.Add([]byte(kind + "0123456789abcdef" + "gAAAAAAAAAAAA@AAAAAAAAAA-1"))
		f.Add([]byte(kind))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		g := newGroup()
		n := g.start("a", legacy.Config{}, session.Config{})
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		to := nodes.Address{Node: "a", Kind: "session"}
		_, _ = g.net.Start("b").Ask(ctx, to, bytes.Clone(msg)) // must not panic
		n.Wait()
		if err := n.protocol.Drain(ctx); err != nil {
			t.Error(err)
		}
	})
}
