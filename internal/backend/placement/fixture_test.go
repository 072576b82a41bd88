// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/nodes/nodestest"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
	"github.com/holdfast-mcp/holdfast/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cell is a network of nodes that serve one server of processes.
type cell struct {
	t       testing.TB
	net     *nodestest.Network
	cfg     backend.Config
	limits  Config
	era     mcp.Era
	began   chan string // nodes on which "wait" has begun
	stopped chan error  // why "wait" ended
	nodes   map[string]*node
}

// node is one of them.
type node struct {
	*nodestest.Node
	name string
	cell *cell
	x    *Exchange
	b    *Backend
	near *backend.Remote

	mu     sync.Mutex
	live   map[*server.Server]struct{} // running processes
	dials  int
	roots  int // times that processes were told of other roots
	events []subscription.Event
}

func newCell(t testing.TB, cfg backend.Config, names ...string) *cell {
	t.Helper()
	c := &cell{t: t, net: nodestest.New(), cfg: cfg, era: mcp.Legacy, began: make(chan string, 16), stopped: make(chan error, 16), nodes: map[string]*node{}}
	for _, name := range names {
		c.join(name)
	}
	return c
}

// join adds a node that has not heard of some others.
func (c *cell) join(name string, unheard ...string) *node {
	n := &node{Node: c.net.Start(name, unheard...), name: name, cell: c, live: map[*server.Server]struct{}{}}
	limits := c.limits
	limits.Log = slog.New(slog.DiscardHandler)
	n.x = New(n.Node, limits)
	cfg := c.cfg
	cfg.Name, cfg.Launch, cfg.Log = "inner", n.launch, limits.Log
	if cfg.Sharing == "" {
		cfg.Sharing = backend.PerSession
	}
	cfg.Processes = backend.NewSlots(5000)
	cfg.Repeatable = func(tool string) bool { return strings.HasPrefix(tool, "safe") }
	n.b = n.x.Backend("inner", func(e backend.Events) *backend.Remote {
		n.near = backend.New(cfg, e)
		return n.near
	}, func(e subscription.Event) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.events = append(n.events, e)
	})
	c.nodes[name] = n
	return n
}

// close ends all nodes; call it before the test's bubble ends.
func (c *cell) close() {
	for name := range c.nodes {
		c.kill(name)
	}
}

// kill ends a node at once: the others see it go before it does.
func (c *cell) kill(name string) {
	n := c.nodes[name]
	delete(c.nodes, name)
	n.Stop()
	n.Wait()
	if err := n.b.Close(); err != nil {
		c.t.Error(err)
	}
	n.x.Close()
}

func (n *node) set(change func(s *nodestest.State)) { n.cell.net.Set(n.name, change) }

// setReady says whether a node takes new instances.
func (n *node) setReady(ready bool) { n.set(func(s *nodestest.State) { s.Unready = !ready }) }

// cut puts a node on a side of its own, or back with the others.
func (n *node) cut(side int) { n.set(func(s *nodestest.State) { s.Side = side }) }

// bar makes a node one that only others hear.
func (n *node) bar(barred bool) { n.set(func(s *nodestest.State) { s.Barred = barred }) }

// deafen has a node miss what is published, or hear again, which all then know.
func (n *node) deafen(deaf bool) { n.set(func(s *nodestest.State) { s.Deaf = deaf }) }

// launch starts a process: an SDK server with a state of its own.
func (n *node) launch(context.Context) (*backend.Launched, error) {
	srv := n.program()
	near, far := transport.Pipe()
	gone := make(chan struct{})
	n.mu.Lock()
	n.dials++
	n.live[srv] = struct{}{}
	n.mu.Unlock()
	go func() {
		defer close(gone)
		_ = srv.ServeConn(context.Background(), &overheard{far, n})
		srv.Close()
		n.mu.Lock()
		delete(n.live, srv)
		n.mu.Unlock()
	}()
	return &backend.Launched{Target: client.Conn(near), Stop: func() { near.Close(); <-gone }, Gone: gone}, nil
}

// overheard is a process's connection that counts what it is told of roots.
type overheard struct {
	transport.Conn
	n *node
}

func (c *overheard) Read() ([]byte, error) {
	data, err := c.Conn.Read()
	if bytes.Contains(data, []byte(mcp.NotificationRootsChanged)) {
		c.n.mu.Lock()
		c.n.roots++
		c.n.mu.Unlock()
	}
	return data, err
}

type textIn struct {
	Text string `json:"text"`
}

// program is what a process does.
func (n *node) program() *server.Server {
	s := server.New("inner", "1", server.Eras(n.cell.era))
	var mu sync.Mutex
	count := 0
	tally := func(context.Context, *server.Request, server.None) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		count++
		return fmt.Sprintf("%d@%s", count, n.name), nil
	}
	server.AddTool(s, "count", "Count calls", tally)
	wait := func(ctx context.Context, _ *server.Request, _ server.None) (string, error) {
		n.cell.began <- n.name
		<-ctx.Done()
		n.cell.stopped <- context.Cause(ctx)
		return "", context.Cause(ctx)
	}
	server.AddTool(s, "wait", "Wait", wait)
	server.AddTool(s, "safewait", "Wait", func(ctx context.Context, r *server.Request, in server.None) (string, error) {
		if len(n.cell.nodes) < 3 {
			return tally(ctx, r, in)
		}
		return wait(ctx, r, in)
	})
	server.AddTool(s, "echo", "Echo", func(_ context.Context, _ *server.Request, in textIn) (string, error) { return in.Text, nil })
	server.AddTool(s, "progress", "Report", func(_ context.Context, req *server.Request, _ server.None) (string, error) {
		for i := range 3 {
			req.Progress(float64(i+1), 3, "step")
		}
		req.Log("warning", "", "careful")
		return "reported", nil
	})
	elicit := func(ctx context.Context, req *server.Request, _ server.None) (string, error) {
		form, action, err := server.Elicit[struct {
			Name string `json:"name"`
		}](ctx, req, "Who?")
		return action + " " + form.Name, err
	}
	server.AddTool(s, "elicit", "Ask the user", elicit)
	server.AddTool(s, "safeelicit", "Ask the user", elicit)
	server.AddTool(s, "sample", "Ask a model", func(ctx context.Context, req *server.Request, _ server.None) (string, error) {
		res, err := req.Sample(ctx, mcp.CreateMessageParams{MaxTokens: 7})
		if err != nil {
			return "", err
		}
		return res.Model, nil
	})
	server.AddTool(s, "refuse", "Fail", func(context.Context, *server.Request, server.None) (string, error) {
		return "", jsonrpc.NewError(-32000, "refused").WithData(map[string]any{"why": "because"})
	})
	server.AddTool(s, "large", "Make a large result", func(_ context.Context, _ *server.Request, in textIn) (string, error) {
		size, err := strconv.Atoi(in.Text)
		return strings.Repeat("x", size), err
	})
	job := func(ctx context.Context, req *server.Request, _ server.None) (string, error) {
		select {
		case <-time.After(3 * time.Second):
		case <-ctx.Done():
			n.cell.stopped <- context.Cause(ctx)
			return "", context.Cause(ctx)
		}
		_, action, err := server.Elicit[struct {
			Name string `json:"name"`
		}](ctx, req, "Who?")
		return "done " + action, err
	}
	server.AddTool(s, "job", "A job", job, server.Task(server.TaskRequired, time.Hour, time.Second))
	s.AddResource(mcp.Resource{URI: "x:1", Name: "one"}, func(context.Context, *server.Request) (*mcp.ReadResourceResult, error) {
		return server.TextResource("text/plain", n.name), nil
	})
	return s
}

// touch announces a change of a resource from every process of the node.
func (n *node) touch(uri string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for s := range n.live {
		s.ResourceUpdated(uri)
	}
}

func (n *node) heard(kind subscription.Kind) (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.events {
		if e.Topic.Kind == kind {
			count++
		}
	}
	return count
}

// person is a client that answers questions.
type person struct {
	mu    sync.Mutex
	heard []string
	err   error         // instead of answers
	mute  chan struct{} // closed when it was asked what it does not answer; nil to answer
	voids int
}

func (p *person) Notify(_ context.Context, method string, params Raw) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = append(p.heard, method+" "+string(params))
	return nil
}

func (p *person) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.heard, "\n")
}

func (p *person) Ask(ctx context.Context, requests map[string]rpc.InputRequest) (map[string]Raw, error) {
	if p.mute != nil {
		close(p.mute)
		<-ctx.Done()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.voids++
		return nil, context.Cause(ctx)
	}
	answers := map[string]Raw{}
	for key, r := range requests {
		if r.Method == mcp.MethodCreateMessage {
			answers[key] = Raw(`{"role":"assistant","model":"m1","content":{"type":"text","text":"hi"}}`)
			continue
		}
		answers[key] = Raw(`{"action":"accept","content":{"name":"Ada"}}`)
	}
	return answers, p.err
}

// call is a tool call of a session.
func call(tool, args, session string, p rpc.Client) *rpc.Call {
	return &rpc.Call{
		Method: mcp.MethodCallTool, ID: jsonrpc.IntID(1), Target: tool, Arguments: Raw(args),
		Params: Raw(`{"name":"` + tool + `","arguments":` + args + `}`),
		Peer: &rpc.Peer{
			Features: mcp.LatestLegacy.Features(), Session: session, Client: mcp.Implementation{Name: "tester", Version: "1"},
			Capabilities: mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapability{}, Sampling: &mcp.SamplingCapability{}},
		},
		Principal: &rpc.Principal{ID: "ada", Tenant: "t"}, LogLevel: "info", Client: p,
	}
}

// text makes a call and returns its result's text.
func (n *node) text(tool, args, session string) string {
	n.cell.t.Helper()
	return n.textFor(tool, args, session, &person{})
}

func (n *node) textFor(tool, args, session string, p rpc.Client) string {
	n.cell.t.Helper()
	res, err := n.b.Handle(context.Background(), call(tool, args, session, p))
	if err != nil {
		n.cell.t.Fatalf("%s: %v", tool, err)
	}
	return textOf(res)
}

func textOf(res rpc.Result) string {
	content, _ := jsonrpc.Get(res.Body, "content")
	for block := range jsonrpc.Elements(content) {
		v, _ := jsonrpc.Get(block, "text")
		s, _ := jsonrpc.Unquote(v)
		return s
	}
	return string(res.Body)
}

// at returns the node that a "count" text names.
func at(text string) string {
	_, name, _ := strings.Cut(text, "@")
	return name
}

// other returns a node that is not the named one.
func (c *cell) other(name string) *node {
	for other, n := range c.nodes {
		if other != name {
			return n
		}
	}
	return nil
}

// gatewayData returns the marks of an error made by the gateway.
func gatewayData(t testing.TB, err error) (reason, started string) {
	t.Helper()
	var wire *jsonrpc.Error
	if !errors.As(err, &wire) || wire.FromPeer() || wire.Code != jsonrpc.CodeInternal {
		t.Fatalf("not an error of the gateway: %v", err)
	}
	g, _ := jsonrpc.Get(wire.Data, "gateway")
	r, _ := jsonrpc.Get(g, "reason")
	reason, _ = jsonrpc.Unquote(r)
	s, _ := jsonrpc.Get(g, "started")
	return reason, string(s)
}
