// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testClient is the client of a call made straight to the handler.
type testClient struct {
	answers map[string]Raw // by method

	mu   sync.Mutex
	sent []string
}

func (c *testClient) Notify(_ context.Context, method string, params Raw) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, method+" "+string(params))
	return nil
}

func (c *testClient) Ask(_ context.Context, requests map[string]rpc.InputRequest) (map[string]Raw, error) {
	out := map[string]Raw{}
	for key, q := range requests {
		out[key] = c.answers[q.Method]
	}
	return out, nil
}

// newCall returns a call as an engine makes it from params.
func newCall(method, params string) *rpc.Call {
	call := &rpc.Call{
		Method: method, Params: Raw(params), Principal: rpc.Local, Client: &testClient{},
		Peer: &rpc.Peer{Features: mcp.Latest.Features(), Capabilities: mcp.ClientCapabilities{
			Elicitation: &mcp.ElicitationCapability{}, Sampling: &mcp.SamplingCapability{}, Roots: &mcp.RootsCapability{},
		}},
	}
	for _, name := range []string{"name", "uri"} {
		if v, ok := jsonrpc.Get(call.Params, name); ok {
			call.Target, _ = jsonrpc.Unquote(v)
		}
	}
	call.Arguments, _ = jsonrpc.Get(call.Params, "arguments")
	call.Meta, _ = jsonrpc.Get(call.Params, "_meta")
	call.ProgressToken, _ = jsonrpc.Get(call.Meta, "progressToken")
	return call
}

// request calls the server's handler and returns the body or the error as text.
func request(t *testing.T, s *Server, method, params string) string {
	t.Helper()
	return answerOf(s.handler.Handle(t.Context(), newCall(method, params)))
}

func answerOf(res rpc.Result, err error) string {
	switch wire, ok := jsonrpc.AsError(err); {
	case ok:
		return fmt.Sprintf("%d %s %s", wire.Code, wire.Message, string(wire.Data))
	case err != nil:
		return "error: " + err.Error()
	case res.Input != nil:
		b, _ := marshal(res.Input.Requests)
		return "input " + string(b) + " " + string(res.Input.State)
	case res.Deferred != nil:
		return "deferred"
	}
	return string(res.Body)
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

type addIn struct {
	A int `json:"a"`
	B int `json:"b"`
}

type addOut struct {
	Sum int `json:"sum"`
}

func add(_ context.Context, _ *Request, in addIn) (addOut, error) { return addOut{in.A + in.B}, nil }

func TestUnusedCapabilitiesAreMethodNotFound(t *testing.T) {
	s := New("test", "1")
	for _, method := range []string{
		"tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list", "resources/templates/list",
		"resources/read", "resources/subscribe", "completion/complete", "skills/list", "no/such",
	} {
		want(t, request(t, s, method, `{"name":"x","uri":"a:b"}`),
			fmt.Sprintf("-32601 method %q is not offered by this server ", method))
	}
	want(t, request(t, s, "server/discover", `{}`), `{"capabilities":{"logging":{}},"serverInfo":{"name":"test","version":"1"}}`)
}

func TestDiscoverNamesWhatIsThere(t *testing.T) {
	s := New("test", "1", Instructions("Be kind."), Title("Test"))
	AddTool(s, "add", "Adds", add, Task(TaskOptional, 0, 0))
	s.AddResource(mcp.Resource{URI: "a:b", Name: "b"}, nil)
	AddPrompt(s, "p", "", func(context.Context, *Request, struct {
		City string `json:"city"`
	}) (*mcp.GetPromptResult, error) {
		return nil, nil
	}, Complete("city", nil))
	want(t, request(t, s, "server/discover", `{}`), `{"capabilities":{"logging":{},"completions":{},"prompts":{"listChanged":true},`+
		`"resources":{"subscribe":true,"listChanged":true},"tools":{"listChanged":true},"tasks":{},"extensions":{"io.modelcontextprotocol/tasks":{}}},`+
		`"serverInfo":{"name":"test","title":"Test","version":"1"},"instructions":"Be kind."}`)
}

func TestListsKeepTheOrderOfRegistrationAcrossPages(t *testing.T) {
	s := New("test", "1", PageSize(3))
	for i := range 8 {
		AddTool(s, fmt.Sprintf("tool%d", 9-i), "Adds", add)
	}
	AddTool(s, "tool5", "Adds again", add) // replacing keeps the place
	var names []string
	params := `{}`
	for pages := 0; params != "" && pages < 5; pages++ {
		var page mcp.ListToolsResult
		if err := json.Unmarshal([]byte(request(t, s, "tools/list", params)), &page); err != nil {
			t.Fatal(err)
		}
		for _, tool := range page.Tools {
			names = append(names, tool.Name)
		}
		params = ""
		if page.NextCursor != nil {
			params = fmt.Sprintf(`{"cursor":%q}`, *page.NextCursor)
		}
	}
	want(t, strings.Join(names, " "), "tool9 tool8 tool7 tool6 tool5 tool4 tool3 tool2")
}

func TestCursorSurvivesChangesAndBelongsToItsList(t *testing.T) {
	s := New("test", "1", PageSize(2))
	for i := range 4 {
		AddTool(s, fmt.Sprintf("tool%d", i), "Adds", add)
		s.AddResource(mcp.Resource{URI: fmt.Sprintf("a:%d", i), Name: "a"}, nil)
	}
	var page mcp.ListToolsResult
	if err := json.Unmarshal([]byte(request(t, s, "tools/list", "")), &page); err != nil {
		t.Fatal(err)
	}
	cursor := fmt.Sprintf(`{"cursor":%q}`, *page.NextCursor)
	s.RemoveTools("tool1", "tool2")
	if err := json.Unmarshal([]byte(request(t, s, "tools/list", cursor)), &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Tools) != 1 || page.Tools[0].Name != "tool3" {
		t.Errorf("the page after the removed tools holds %v, want tool3", page.Tools)
	}
	want(t, request(t, s, "resources/list", cursor), "-32602 invalid cursor ")
	want(t, request(t, s, "tools/list", `{"cursor":"x"}`), "-32602 invalid cursor ")
	want(t, request(t, s, "tools/list", `{"cursor":""}`), "-32602 invalid cursor ")
	want(t, request(t, s, "tools/list", `{"cursor":5}`), "-32602 cursor must be a string ")
}

func TestChangesAreAnnouncedAtOnce(t *testing.T) {
	s := New("test", "1")
	sub := s.hub.Subscribe(
		subscription.Topic{Kind: subscription.Tools}, subscription.Topic{Kind: subscription.Prompts},
		subscription.Topic{Kind: subscription.Resources}, subscription.Topic{Kind: subscription.Resource, Key: "a:b"})
	defer sub.Close()
	var forwarded []string
	stop := s.forward(func(c rpc.Change) { forwarded = append(forwarded, c.Method+" "+c.URI) })
	got := func() (kinds []subscription.Kind) {
		for {
			e, ok := sub.Take()
			if !ok {
				return kinds
			}
			kinds = append(kinds, e.Topic.Kind)
		}
	}
	steps := []struct {
		name string
		do   func()
		want []subscription.Kind
	}{
		{"add tool", func() { AddTool(s, "add", "", add) }, []subscription.Kind{subscription.Tools}},
		{"replace tool", func() { AddTool(s, "add", "", add) }, []subscription.Kind{subscription.Tools}},
		{"remove tool", func() { s.RemoveTools("add") }, []subscription.Kind{subscription.Tools}},
		{"remove nothing", func() { s.RemoveTools("add") }, nil},
		{"add prompt", func() { s.AddPrompt(mcp.Prompt{Name: "p"}, nil) }, []subscription.Kind{subscription.Prompts}},
		{"add resource", func() { s.AddResource(mcp.Resource{URI: "a:b", Name: "b"}, nil) }, []subscription.Kind{subscription.Resources}},
		{"update", func() { s.ResourceUpdated("a:b") }, []subscription.Kind{subscription.Resource}},
		{"update of another", func() { s.ResourceUpdated("a:c") }, nil},
	}
	for _, step := range steps {
		step.do()
		if diff := cmp.Diff(step.want, got()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", step.name, diff)
		}
	}
	stop()
	s.RemovePrompts("p")
	want(t, strings.Join(forwarded, ", "), "notifications/tools/list_changed , notifications/tools/list_changed , notifications/tools/list_changed , "+
		"notifications/prompts/list_changed , notifications/resources/list_changed , "+
		"notifications/resources/updated a:b, notifications/resources/updated a:c")
}

func TestMiddlewareRunsInOrderAndCanRefuse(t *testing.T) {
	var trace []string
	step := func(name string) Middleware {
		return func(ctx context.Context, req *Request, next func(context.Context) error) error {
			trace = append(trace, name+" "+req.Name())
			if req.Name() == "secret" && name == "two" {
				return jsonrpc.NewError(-32000, "no")
			}
			return next(ctx)
		}
	}
	s := New("test", "1", Use(step("one"), step("two")))
	AddTool(s, "add", "", add)
	AddTool(s, "secret", "", add)
	want(t, request(t, s, "tools/call", `{"name":"secret"}`), "-32000 no ")
	want(t, request(t, s, "tools/call", `{"name":"add","arguments":{"a":1,"b":2}}`), `{"content":[{"type":"text","text":"{\"sum\":3}"}],"structuredContent":{"sum":3}}`)
	want(t, strings.Join(trace, ", "), "one secret, two secret, one add, two add")
}

func TestExtensionMethods(t *testing.T) {
	s := New("test", "1")
	x := mcp.Extension{ID: "com.example/x", Methods: []mcp.ExtensionMethod{{Name: "x/get"}}}
	s.AddExtension(x, map[string]ExtensionHandler{
		"x/get": func(_ context.Context, req *Request) (any, error) { return map[string]any{"got": req.Params()}, nil },
	})
	want(t, request(t, s, "x/get", `{"a":1}`), `{"got":{"a":1}}`)
	want(t, request(t, s, "server/discover", `{}`), `{"capabilities":{"logging":{},"extensions":{"com.example/x":{}}},"serverInfo":{"name":"test","version":"1"}}`)
	parts, ok := rpc.PartsOf(s)
	if !ok || len(parts.Extensions) != 1 || parts.Info.Name != "test" {
		t.Errorf("PartsOf = %+v, %v", parts, ok)
	}
	if _, ok := rpc.PartsOf(errors.New("x")); ok {
		t.Error("PartsOf takes anything for a server")
	}
}
