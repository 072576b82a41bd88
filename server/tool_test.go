// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestToolIsListedWithInferredSchemas(t *testing.T) {
	s := New("test", "1")
	AddTool(s, "add", "Adds two numbers", add, ReadOnly(), Destructive(false), Title("Add"), Meta(Raw(`{"x/y":1}`)))
	want(t, request(t, s, "tools/list", `{}`), `{"tools":[{"name":"add","title":"Add","description":"Adds two numbers",`+
		`"inputSchema":{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a","b"],"additionalProperties":false},`+
		`"outputSchema":{"type":"object","properties":{"sum":{"type":"integer"}},"required":["sum"],"additionalProperties":false},`+
		`"annotations":{"readOnlyHint":true,"destructiveHint":false},"_meta":{"x/y":1}}]}`)
}

func TestGivenSchemaIsListedVerbatim(t *testing.T) {
	const schema = `{ "$schema":"https://json-schema.org/draft/2020-12/schema", "type":"object","x-own":[1, 2],"allOf":[{"required":["a"]}], "properties":{"a":{"$anchor":"A","type":"string"}}}`
	s := New("test", "1")
	AddTool(s, "raw", "Takes anything", func(_ context.Context, _ *Request, in Raw) (string, error) { return string(in), nil }, InputSchema(Raw(schema)))
	list := request(t, s, "tools/list", `{}`)
	var page struct {
		Tools []struct {
			InputSchema Raw `json:"inputSchema"`
		} `json:"tools"`
	}
	if err := json.Unmarshal([]byte(list), &page); err != nil {
		t.Fatal(err)
	}
	compact := Raw(schema)
	if err := compact.Compact(); err != nil {
		t.Fatal(err)
	}
	want(t, string(page.Tools[0].InputSchema), string(compact))
	want(t, request(t, s, "tools/call", `{"name":"raw","arguments":{"a":"x","more":1.50}}`), `{"content":[{"type":"text","text":"{\"a\":\"x\",\"more\":1.50}"}]}`)
	if got := request(t, s, "tools/call", `{"name":"raw","arguments":{"more":1}}`); !strings.Contains(got, `"isError":true`) {
		t.Errorf("arguments that break the schema gave %s", got)
	}
}

func TestArgumentsAreCheckedBeforeTheHandler(t *testing.T) {
	s := New("test", "1")
	type in struct {
		Name  string `json:"name"`
		Count uint   `json:"count,omitzero"`
		Kind  string `json:"kind,omitzero" enum:"a,b"`
		Inner struct {
			X float64 `json:"x"`
		} `json:"inner,omitzero"`
	}
	calls := 0
	AddTool(s, "t", "", func(context.Context, *Request, in) (None, error) { calls++; return None{}, nil })
	tests := []struct{ args, part string }{
		{`{}`, `missing properties: [\"name\"]`},
		{`[]`, `want \"object\"`},
		{`null`, `want \"object\"`},
		{`{"name":5}`, "name: "},
		{`{"name":null}`, "name: "},
		{`{"name":"x","count":-1}`, "count: "},
		{`{"name":"x","count":1.5}`, "count: "},
		{`{"name":"x","count":99999999999999999999999}`, "count"},
		{`{"name":"x","kind":"c"}`, "kind: enum"},
		{`{"name":"x","inner":{"x":"1"}}`, "inner/x: "},
		{`{"name":"x","other":1}`, `unexpected additional properties [\"other\"]`},
	}
	for _, tt := range tests {
		got := request(t, s, "tools/call", `{"name":"t","arguments":`+tt.args+`}`)
		if !strings.HasPrefix(got, `{"content":[{"type":"text","text":"invalid arguments: `) || !strings.HasSuffix(got, `"isError":true}`) || !strings.Contains(got, tt.part) {
			t.Errorf("%s: got %s, want an invalid-arguments result naming %s", tt.args, got, tt.part)
		}
	}
	if calls != 0 {
		t.Errorf("the handler ran %d times on invalid arguments", calls)
	}
	want(t, request(t, s, "tools/call", `{"name":"t","arguments":{"name":"x","count":1,"kind":"a","inner":{"x":1e2}}}`), `{"content":[]}`)
}

func TestOutcomesOfTools(t *testing.T) {
	s := New("test", "1")
	type nothing = None
	AddTool(s, "text", "", func(context.Context, *Request, nothing) (string, error) { return "hi", nil })
	AddTool(s, "image", "", func(context.Context, *Request, nothing) (mcp.Content, error) {
		return mcp.Image([]byte{1}, "image/png"), nil
	})
	AddTool(s, "result", "", func(context.Context, *Request, nothing) (*mcp.CallToolResult, error) {
		return mcp.ToolError("bad"), nil
	})
	AddTool(s, "nil", "", func(context.Context, *Request, nothing) (*mcp.CallToolResult, error) { return nil, nil })
	AddTool(s, "fails", "", func(context.Context, *Request, nothing) (addOut, error) { return addOut{}, errors.New("no luck") })
	AddTool(s, "wire", "", func(context.Context, *Request, nothing) (addOut, error) {
		return addOut{}, jsonrpc.NewError(-32050, "special")
	})
	AddTool(s, "broken", "", func(context.Context, *Request, nothing) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Structured: Raw(`{"sum":"x"}`)}, nil
	}, OutputSchema(Raw(`{"type":"object","properties":{"sum":{"type":"integer"}}}`)))
	for name, answer := range map[string]string{
		"text":   `{"content":[{"type":"text","text":"hi"}]}`,
		"image":  `{"content":[{"type":"image","data":"AQ==","mimeType":"image/png"}]}`,
		"result": `{"content":[{"type":"text","text":"bad"}],"isError":true}`,
		"nil":    `{"content":[]}`,
		"fails":  `{"content":[{"type":"text","text":"no luck"}],"isError":true}`,
		"wire":   `-32050 special `,
		"none":   `-32602 unknown tool "none" `,
		"broken": `error: tool output: sum: type: x has type "string", want "integer"`,
	} {
		want(t, request(t, s, "tools/call", `{"name":"`+name+`"}`), answer)
	}
}

func TestWrongRegistrationsSayWhy(t *testing.T) {
	s := New("test", "1")
	handler := func(context.Context, *Request, Raw) (string, error) { return "", nil }
	tests := []struct {
		name string
		err  error
		part string
	}{
		{"name", TryAddTool(s, "a/b", "", add), `holds '/'`},
		{"no name", TryAddTool(s, "", "", add), "1 to 128"},
		{"not an object", TryAddTool(s, "x", "", func(context.Context, *Request, int) (string, error) { return "", nil }), "int is not an object"},
		{"array schema", TryAddTool(s, "x", "", handler, InputSchema(Raw(`{"type":"array"}`))), `"type":"object"`},
		{"remote reference", TryAddTool(s, "x", "", handler, InputSchema(Raw(`{"type":"object","properties":{"a":{"$ref":"https://example.com/s"}}}`))), "input schema"},
		{"no such parameter", TryAddTool(s, "x", "", add, Header("c", "C")), `"c"`},
		{"header name", TryAddTool(s, "x", "", add, Header("a", "not a token")), "x-mcp-header"},
		{"channel", TryAddTool(s, "x", "", func(context.Context, *Request, None) (chan int, error) { return nil, nil }), "output schema"},
		{"resource", s.TryAddResource(mcp.Resource{URI: "relative", Name: "x"}, nil), "absolute"},
		{"template", s.TryAddResourceTemplate(mcp.ResourceTemplate{URITemplate: "a:{", Name: "x"}, nil), "template"},
	}
	for _, tt := range tests {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.part) {
			t.Errorf("%s: error %v, want one with %q", tt.name, tt.err, tt.part)
		}
	}
	if s.tools.used() {
		t.Error("a wrong registration left something behind")
	}
}

func TestHeaderTagReachesTheListAndTheEngine(t *testing.T) {
	s := New("test", "1")
	type in struct {
		Region string `json:"region,omitzero" header:"Region"`
		Zone   string `json:"zone,omitzero"`
	}
	AddTool(s, "run", "", func(context.Context, *Request, in) (string, error) { return "", nil }, Header("zone", "Zone"))
	list := request(t, s, "tools/list", `{}`)
	for _, part := range []string{`"region":{"type":"string","x-mcp-header":"Region"}`, `"zone":{"type":"string","x-mcp-header":"Zone"}`} {
		if !strings.Contains(list, part) {
			t.Errorf("list %s lacks %s", list, part)
		}
	}
	if got := s.toolHeaders("run"); len(got) != 2 {
		t.Errorf("toolHeaders = %v, want two", got)
	}
}

func TestDefaultsFillWhatIsAbsent(t *testing.T) {
	s := New("test", "1")
	type in struct {
		City string `json:"city" default:"Bern"`
		Days int    `json:"days" default:"3"`
	}
	AddTool(s, "t", "", func(_ context.Context, _ *Request, v in) (in, error) { return v, nil })
	want(t, request(t, s, "tools/call", `{"name":"t"}`), `{"content":[{"type":"text","text":"{\"city\":\"Bern\",\"days\":3}"}],"structuredContent":{"city":"Bern","days":3}}`)
	want(t, request(t, s, "tools/call", `{"name":"t","arguments":{"days":0}}`), `{"content":[{"type":"text","text":"{\"city\":\"Bern\",\"days\":0}"}],"structuredContent":{"city":"Bern","days":0}}`)
}

func TestProgressOnlyIncreases(t *testing.T) {
	s := New("test", "1")
	AddTool(s, "t", "", func(_ context.Context, req *Request, _ None) (None, error) {
		req.Progress(0, 10, "begin")
		req.Progress(5, 10, "")
		req.Progress(5, 10, "again")
		req.Progress(2, 10, "back")
		req.Progress(7.5, 0, "")
		req.Log("debug", "l", "dropped")
		req.Log("error", "l", map[string]int{"a": 1})
		return None{}, nil
	})
	call := newCall("tools/call", `{"name":"t","_meta":{"progressToken":"p"}}`)
	call.LogLevel = "warning"
	if _, err := s.handler.Handle(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	want(t, strings.Join(call.Client.(*testClient).sent, "\n"), `notifications/progress {"progressToken":"p","progress":0,"total":10,"message":"begin"}
notifications/progress {"progressToken":"p","progress":5,"total":10}
notifications/progress {"progressToken":"p","progress":7.5}
notifications/message {"level":"error","logger":"l","data":{"a":1}}`)
}

type cityForm struct {
	City string `json:"city" title:"City" jsonschema:"where"`
	Unit string `json:"unit,omitzero" enum:"C,F" default:"C"`
}

func TestElicitWaitsForTheUser(t *testing.T) {
	s := New("test", "1")
	AddTool(s, "t", "", func(ctx context.Context, req *Request, _ None) (string, error) {
		in, action, err := Elicit[cityForm](ctx, req, "Which city?")
		return action + " " + in.City, err
	})
	ask := func(answer string) string {
		call := newCall("tools/call", `{"name":"t"}`)
		call.Client = &testClient{answers: map[string]Raw{"elicitation/create": Raw(answer)}}
		return answerOf(s.handler.Handle(t.Context(), call))
	}
	want(t, ask(`{"action":"accept","content":{"city":"Bern","more":1}}`), `{"content":[{"type":"text","text":"accept Bern"}]}`)
	want(t, ask(`{"action":"decline","content":{"city":5}}`), `{"content":[{"type":"text","text":"decline "}]}`)
	want(t, ask(`{"action":"accept","content":{"city":5}}`), `-32602 the user's answer does not fit the form: city: type: 5 has type "integer", want "string" `)
	want(t, ask(`{"action":"whatever"}`), `-32602 unknown elicitation action "whatever" `)
	call := newCall("tools/call", `{"name":"t"}`)
	call.Peer.Capabilities.Elicitation = nil
	if got := answerOf(s.handler.Handle(t.Context(), call)); !strings.HasPrefix(got, "-32021 ") || !strings.Contains(got, `{"requiredCapabilities":{"elicitation":{`) {
		t.Errorf("without the capability: %s", got)
	}
}

func TestInputRequiredGoesRound(t *testing.T) {
	s := New("test", "1")
	AddTool(s, "t", "", func(_ context.Context, req *Request, _ None) (string, error) {
		in, ok := Form[cityForm](req, "city")
		if !ok {
			return "", &InputRequired{Requests: map[string]mcp.InputRequest{"city": AskForm("Which city?", cityForm{})}, State: []byte("s1")}
		}
		return in.City + " " + string(req.State()), nil
	})
	const question = `input {"city":{"method":"elicitation/create","params":{"message":"Which city?","requestedSchema":{"type":"object",` +
		`"properties":{"city":{"type":"string","title":"City","description":"where"},"unit":{"type":"string","default":"C","enum":["C","F"]}},"required":["city"]}}}} s1`
	want(t, sorted(t, request(t, s, "tools/call", `{"name":"t"}`)), sorted(t, question))
	for response, answer := range map[string]string{
		`{"action":"accept","content":{"city":"Bern"}}`: `{"content":[{"type":"text","text":"Bern s1"}]}`,
		`{"action":"accept","content":{"city":7}}`:      question,
		`{"action":"cancel"}`:                           question,
		`12345`:                                         question,
		`null`:                                          question,
	} {
		call := newCall("tools/call", `{"name":"t"}`)
		call.Input = rpc.Input{Responses: map[string]Raw{"city": Raw(response), "other": Raw(`1`)}, State: []byte("s1")}
		want(t, sorted(t, answerOf(s.handler.Handle(t.Context(), call))), sorted(t, answer))
	}
}

// sorted brings the JSON in an answer into one order of members.
func sorted(t *testing.T, answer string) string {
	t.Helper()
	from, to := strings.IndexByte(answer, '{'), strings.LastIndexByte(answer, '}')
	v := Raw(answer[from : to+1])
	if err := v.Canonicalize(); err != nil {
		t.Fatal(err)
	}
	return answer[:from] + string(v) + answer[to+1:]
}

func TestTaskTools(t *testing.T) {
	s := New("test", "1")
	var asked bool
	job := func(ctx context.Context, req *Request, _ None) (string, error) {
		in, ok := Form[cityForm](req, "city")
		if !ok {
			asked = true
			return "", &InputRequired{Requests: map[string]mcp.InputRequest{"city": AskForm("Which city?", cityForm{})}}
		}
		return in.City, nil
	}
	AddTool(s, "must", "", job, Task(TaskRequired, time.Minute, time.Second))
	AddTool(s, "can", "", func(context.Context, *Request, None) (string, error) { return "now", nil }, Task(TaskOptional, 0, 0))
	AddTool(s, "never", "", func(context.Context, *Request, None) (string, error) { return "now", nil })

	want(t, request(t, s, "tools/call", `{"name":"can"}`), `{"content":[{"type":"text","text":"now"}]}`)
	want(t, request(t, s, "tools/call", `{"name":"must"}`), `-32021 the request lacks a client capability that is required `+
		`{"requiredCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}`)

	legacy := newCall("tools/call", `{"name":"must"}`)
	legacy.Peer.Features = mcp.LatestLegacy.Features()
	want(t, answerOf(s.handler.Handle(t.Context(), legacy)), `-32601 tool "must" runs only as a task `)
	legacy = newCall("tools/call", `{"name":"never"}`)
	legacy.Task = &rpc.TaskRequest{}
	want(t, answerOf(s.handler.Handle(t.Context(), legacy)), `-32601 tool "never" cannot run as a task `)

	call := newCall("tools/call", `{"name":"must"}`)
	call.AllowTask = true
	res, err := s.handler.Handle(t.Context(), call)
	if err != nil || res.Deferred == nil || res.Deferred.TTL != time.Minute || res.Deferred.Poll != time.Second {
		t.Fatalf("Handle = %+v, %v; want a deferred result", res, err)
	}
	client := &testClient{answers: map[string]Raw{"elicitation/create": Raw(`{"action":"accept","content":{"city":"Bern"}}`)}}
	want(t, answerOf(res.Deferred.Run(t.Context(), client)), `{"content":[{"type":"text","text":"Bern"}]}`)
	if !asked {
		t.Error("the task did not ask")
	}
}

func TestTasksSayWhetherTheyMayBeRepeated(t *testing.T) {
	s := New("test", "1")
	work := func(context.Context, *Request, None) (string, error) { return "", nil }
	for name, opts := range map[string][]ToolOption{"plain": nil, "idempotent": {Idempotent()}, "readonly": {ReadOnly()}, "destructive": {Destructive(true)}} {
		AddTool(s, name, "", work, append(opts, Task(TaskOptional, 0, 0))...)
	}
	for name, want := range map[string]bool{"plain": false, "idempotent": true, "readonly": true, "destructive": false} {
		call := newCall("tools/call", `{"name":"`+name+`"}`)
		call.AllowTask = true
		res, err := s.handler.Handle(t.Context(), call)
		if err != nil || res.Deferred == nil || res.Deferred.Repeatable != want {
			t.Errorf("%s: %+v, %v", name, res.Deferred, err)
		}
	}
}

func TestBeforeTaskMayAskFirst(t *testing.T) {
	s := New("test", "1")
	AddTool(s, "t", "", func(_ context.Context, req *Request, _ None) (string, error) {
		in, _ := Form[cityForm](req, "city")
		return in.City, nil
	}, Task(TaskOptional, 0, 0), BeforeTask(func(_ context.Context, req *Request) error {
		if _, ok := Form[cityForm](req, "city"); !ok {
			return &InputRequired{Requests: map[string]mcp.InputRequest{"city": AskForm("Which city?", cityForm{})}}
		}
		return nil
	}))
	call := newCall("tools/call", `{"name":"t"}`)
	call.AllowTask = true
	res, err := s.handler.Handle(t.Context(), call)
	if err != nil || res.Input == nil {
		t.Fatalf("first round: %+v, %v; want a question", res, err)
	}
	call.Input.Responses = map[string]Raw{"city": Raw(`{"action":"accept","content":{"city":"Bern"}}`)}
	res, err = s.handler.Handle(t.Context(), call)
	if err != nil || res.Deferred == nil {
		t.Fatalf("second round: %+v, %v; want a task", res, err)
	}
	want(t, answerOf(res.Deferred.Run(t.Context(), &testClient{})), `{"content":[{"type":"text","text":"Bern"}]}`)
}

func BenchmarkCallEcho(b *testing.B) {
	type in struct {
		Text string `json:"text"`
	}
	s := New("echo", "1")
	AddTool(s, "echo", "Echoes", func(_ context.Context, _ *Request, v in) (string, error) { return v.Text, nil })
	call := newCall("tools/call", `{"name":"echo","arguments":{"text":"hello, world"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.handler.Handle(b.Context(), call); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCallStructured(b *testing.B) {
	s := New("add", "1")
	AddTool(s, "add", "Adds", add)
	call := newCall("tools/call", `{"name":"add","arguments":{"a":1,"b":2}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.handler.Handle(b.Context(), call); err != nil {
			b.Fatal(err)
		}
	}
}
