// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"
	"fmt"
	"log/slog"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a Protocol over the fixture, behind an Engine of its own.
type rig struct {
	*Protocol
	engine *engine.Engine
	hub    *subscription.Hub
	tasks  *task.Set
	fix    *fixture
}

func newRig(configure ...func(*Config)) *rig {
	r := &rig{hub: &subscription.Hub{}, tasks: task.NewSet(task.Config{}), fix: &fixture{}}
	cfg := Config{
		Handler: r.fix, Info: mcp.Implementation{Name: "test", Version: "1"}, Hub: r.hub, Tasks: r.tasks,
		Legacy: []mcp.Version{mcp.V20251125}, Extensions: []mcp.Extension{mcp.SkillsExtension(false), gatedExtension},
		ToolHeaders: r.fix.headers, Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range configure {
		f(&cfg)
	}
	r.Protocol = New(cfg)
	r.engine = engine.New(jsonrpc.DefaultLimits(), cfg.Log, r.Protocol)
	return r
}

func (r *rig) close() {
	r.Close()
	r.tasks.Close()
}

// gatedExtension is one whose method needs a declaration.
var gatedExtension = mcp.Extension{ID: "org.example/gated", Methods: []mcp.ExtensionMethod{{Name: "gated/get", NameParam: "key"}}}

// fixture is a handler that does one of everything.
type fixture struct {
	mu     sync.Mutex
	causes []error // why calls to the tool "slow" ended
}

func (f *fixture) headers(_ context.Context, tool string) []mcp.HeaderParam {
	if tool != "regional" {
		return nil
	}
	return []mcp.HeaderParam{
		{Header: "Mcp-Param-Region", Path: []string{"region"}, Type: "string"},
		{Header: "Mcp-Param-Count", Path: []string{"count"}, Type: "integer"},
	}
}

func (f *fixture) ended(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.causes = append(f.causes, err)
}

func (f *fixture) seen() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.causes)
}

var name = rpc.InputRequest{Method: mcp.MethodElicit, Params: Raw(`{"message":"Name?","requestedSchema":{"type":"object","properties":{}}}`)}

func body(format string, args ...any) (rpc.Result, error) {
	return rpc.Result{Body: Raw(fmt.Sprintf(format, args...))}, nil
}

func text(s string) (rpc.Result, error) {
	return body(`{"content":[{"type":"text","text":%s}]}`, jsonrpc.AppendString(nil, s))
}

func (f *fixture) Handle(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	switch call.Method {
	case mcp.MethodDiscover:
		return body(`{"capabilities":{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true},` +
			`"tasks":{},"x":1},"serverInfo":{"name":"inner","version":"2"},"instructions":"Be nice."}`)
	case mcp.MethodListTools:
		return body(`{"tools":[]}`)
	case mcp.MethodReadResource:
		if call.Target != "test://a" {
			return rpc.Result{}, mcp.ResourceNotFound(call.Target)
		}
		res, err := body(`{"contents":[],"_meta":{"a":1}}`)
		res.Cache = mcp.CacheHint{TTLMillis: 60_000, Scope: mcp.CachePublic}
		return res, err
	case mcp.MethodListSkills:
		return body("{\n \"skills\": []\n}")
	case mcp.MethodCallTool:
		return f.tool(ctx, call)
	case mcp.MethodGetPrompt:
		return returnsInput(call)
	}
	return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "no %s here", call.Method)
}

func (f *fixture) tool(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	switch call.Target {
	case "echo", "regional":
		return text(string(call.Arguments))
	case "notify":
		notify(ctx, call.Client)
		return text("done")
	case "notify-fail":
		notify(ctx, call.Client)
		return rpc.Result{}, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "bad after all")
	case "fail of server":
		return rpc.Result{}, jsonrpc.PeerError(jsonrpc.CodeInternal, "no key", nil)
	case "fail of gateway":
		return rpc.Result{}, jsonrpc.NewError(jsonrpc.CodeInternal, "it could not be started").WithData(map[string]any{"gateway": map[string]string{"server": "x"}})
	case "fail":
		return rpc.Result{}, fmt.Errorf("secret")
	case "panic":
		panic("secret")
	case "slow":
		<-ctx.Done()
		f.ended(context.Cause(ctx))
		call.Client.Notify(context.Background(), mcp.NotificationProgress, Raw(`{"progress":9}`))
		return text("too late")
	case "long":
		select {
		case <-time.After(40 * time.Second):
		case <-ctx.Done():
		}
		return text("at last")
	case "ask", "ask-twice", "ask-both", "ask-sampling":
		return f.asks(ctx, call)
	case "input":
		return returnsInput(call)
	case "input-stateless":
		return returnsStateless(call)
	case "job", "job-fails", "job-asks", "job-runs":
		return jobs(call)
	}
	return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "unknown tool %q", call.Target)
}

func notify(ctx context.Context, c rpc.Client) {
	c.Notify(ctx, mcp.NotificationProgress, Raw(`{"progress":1}`))
	c.Notify(ctx, mcp.NotificationMessage, Raw(`{"level":"info","data":"a"}`))
	c.Notify(ctx, mcp.NotificationMessage, Raw(`{"level":"debug","data":"b"}`))
	c.Notify(ctx, mcp.NotificationToolsChanged, nil)
}

func (f *fixture) asks(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	ask := func(r rpc.InputRequest) (string, error) {
		answers, err := call.Client.Ask(ctx, map[string]rpc.InputRequest{"name": r})
		return string(answers["name"]), err
	}
	switch call.Target {
	case "ask-sampling":
		name := name
		name.Method = mcp.MethodCreateMessage
		_, err := ask(name)
		return rpc.Result{}, err
	case "ask-both":
		got := make([]string, 2)
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() { got[i], _ = ask(name) })
		}
		wg.Wait()
		slices.Sort(got)
		return text(strings.Join(got, ","))
	}
	call.Client.Notify(ctx, mcp.NotificationProgress, Raw(`{"progressToken":"old","progress":1}`))
	first, err := ask(name)
	if err != nil {
		f.ended(err)
		return rpc.Result{}, err
	}
	if call.Target == "ask-twice" {
		call.Client.Notify(ctx, mcp.NotificationProgress, Raw(`{"progressToken":"old","progress":2}`))
		second, err := ask(name)
		if err != nil {
			return rpc.Result{}, err
		}
		first += second
	}
	return text(first)
}

// returnsInput asks by returning, twice, and counts in its state.
func returnsInput(call *rpc.Call) (rpc.Result, error) {
	if _, answered := call.Input.Responses["name"]; !answered || string(call.Input.State) != "round 2" {
		next := "round 1"
		if answered && string(call.Input.State) == "round 1" {
			next = "round 2"
		}
		return rpc.Result{Input: &rpc.InputRequired{Requests: map[string]rpc.InputRequest{"name": name}, State: []byte(next)}}, nil
	}
	return text("state-ok")
}

func returnsStateless(call *rpc.Call) (rpc.Result, error) {
	if answer, ok := call.Input.Responses["name"]; ok {
		return text(string(answer))
	}
	return rpc.Result{Input: &rpc.InputRequired{Requests: map[string]rpc.InputRequest{"name": name, "roots": {Method: mcp.MethodListRoots}}}}, nil
}

func jobs(call *rpc.Call) (rpc.Result, error) {
	run := func(ctx context.Context, c rpc.Client) (rpc.Result, error) {
		switch call.Target {
		case "job-fails":
			return rpc.Result{}, jsonrpc.NewError(-1, "broken").WithData(7)
		case "job-asks":
			if _, err := c.Ask(ctx, map[string]rpc.InputRequest{"a": name, "b": name}); err != nil {
				return rpc.Result{}, err
			}
			time.Sleep(time.Millisecond) // lets listeners see it working again
		case "job-runs":
			<-ctx.Done()
			return rpc.Result{}, context.Cause(ctx)
		}
		return body(`{"content":[],"isError":true}`)
	}
	return rpc.Result{Deferred: &rpc.Deferred{Run: run, Poll: 500 * time.Millisecond, TTL: time.Minute}}, nil
}

// exchange is a transport.Exchange in memory.
type exchange struct {
	ctx    context.Context
	leave  context.CancelFunc // the client goes away
	verb   string
	header textproto.MIMEHeader
	body   []byte

	mu      sync.Mutex
	status  int // 0 until answered
	out     [][2]string
	reply   string
	stream  *stream
	replies int
}

func newExchange(body string, header ...string) *exchange {
	x := &exchange{verb: "POST", header: textproto.MIMEHeader{}, body: []byte(body)}
	x.ctx, x.leave = context.WithCancel(context.Background())
	for i := 0; i < len(header); i += 2 {
		x.header.Add(header[i], header[i+1])
	}
	return x
}

func (x *exchange) Context() context.Context    { return x.ctx }
func (x *exchange) Verb() string                { return x.verb }
func (x *exchange) Header(name string) []string { return x.header[name] }
func (x *exchange) Body() []byte                { return x.body }
func (x *exchange) AcceptsStream() bool {
	return strings.Contains(x.header.Get("Accept"), "text/event-stream")
}

func (x *exchange) Reply(status int, body []byte, headers ...string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.status, x.reply = status, string(body)
	x.answered(headers)
}

func (x *exchange) Stream(headers ...string) transport.Stream {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.status, x.stream = 200, &stream{done: make(chan struct{})}
	x.answered(headers)
	return x.stream
}

func (x *exchange) answered(headers []string) {
	if x.replies++; x.replies > 1 {
		panic("an exchange was answered twice")
	}
	for i := 0; i < len(headers); i += 2 {
		x.out = append(x.out, [2]string{headers[i], headers[i+1]})
	}
}

// got returns the status, and the body or else the events since the last call.
func (x *exchange) got() (int, string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stream != nil {
		return x.status, strings.Join(x.stream.take(), "\n")
	}
	return x.status, x.reply
}

// headers returns the headers of the answer, one per line.
func (x *exchange) headers() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var b strings.Builder
	for _, h := range x.out {
		fmt.Fprintf(&b, "%s: %s\n", h[0], h[1])
	}
	return b.String()
}

// events returns the open stream's events since the last call, nil without one.
func (x *exchange) events() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stream == nil {
		return nil
	}
	return x.stream.take()
}

// end is the client going away.
func (x *exchange) end() {
	x.leave()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stream != nil {
		x.stream.Close()
	}
}

type stream struct {
	mu     sync.Mutex
	events []string
	closed bool
	told   bool // take has reported the end
	done   chan struct{}
}

func (s *stream) Send(e transport.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return transport.ErrClosed
	}
	if e.ID != "" || strings.Contains(string(e.Data), "\n") {
		panic("modern streams have no event ids and one line per message")
	}
	s.events = append(s.events, string(e.Data))
	return nil
}

func (s *stream) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
}

func (s *stream) Done() <-chan struct{} { return s.done }

// take returns the events since the last take; "(end)" says once that the stream has ended.
func (s *stream) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := s.events
	s.events = nil
	if s.closed && !s.told {
		s.told = true
		events = append(events, "(end)")
	}
	return events
}
