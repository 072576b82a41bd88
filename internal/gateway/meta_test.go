// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

const shelfTools = `{"tools":[
	{"name":"read_file","title":"Read","description":"Read the contents of a file","inputSchema":{"type":"object","properties":{"path":{"type":"string"}}},"x":1},
	{"name":"send_mail","description":"Send a message","inputSchema":{"type":"object"}},
	{"name":"secret_file","description":"File of secrets","inputSchema":{"type":"object"}}]}`

func searchRig(t *testing.T) (*rig, *scripted) {
	a := &scripted{name: "a", answers: map[string]string{mcp.MethodListTools: shelfTools}}
	r := newRig(t, CatalogConfig{}, Config{Search: true, Exclude: []string{"*secret*"}}, a)
	r.catalog.Warm(t.Context())
	return r, a
}

func metaCall(t *testing.T, r *rig, tool, args string) (string, error) {
	t.Helper()
	call := callOf(mcp.MethodCallTool, tool)
	call.Params = Raw(`{"name":"` + tool + `","arguments":` + args + `,"_meta":{"progressToken":1}}`)
	call.Arguments = Raw(args)
	res, err := r.Handle(t.Context(), call)
	return string(res.Body), err
}

func TestSearchModeListsMetaTools(t *testing.T) {
	r, a := searchRig(t)
	if diff := cmp.Diff([]string{"find_tool", "call_tool", "call_read_only_tool"}, names(t, r.Gateway)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !metaTools.IsValid() || bytes.ContainsRune(metaTools, '\n') {
		t.Error("the list of the meta-tools is not compact JSON")
	}
	if _, err := ask(t, r.Gateway, mcp.MethodCallTool, "a__read_file"); err != nil || a.last().Target != "read_file" {
		t.Errorf("a call by name: %v", err)
	}
	for _, tool := range []string{"find_tool", "call_tool", "call_read_only_tool"} {
		if h := r.ToolHeaders(t.Context(), tool); h != nil {
			t.Errorf("headers of %s: %v", tool, h)
		}
	}
}

func TestFindTool(t *testing.T) {
	r, a := searchRig(t)
	found := `{"tools":[{"name":"a__read_file","title":"Read","description":"Read the contents of a file","inputSchema":{"type":"object","properties":{"path":{"type":"string"}}}}],"total":2}`
	want := `{"content":[{"type":"text","text":` + string(jsonrpc.AppendString(nil, found)) + `}],"structuredContent":` + found + `}`
	for _, args := range []string{`{"query":"read files"}`, `{"query":"read files","limit":1}`, `{"query":"file","limit":1e9}`, `{"query":"file","limit":-3}`} {
		if got, err := metaCall(t, r, "find_tool", args); err != nil || got != want {
			t.Errorf("%s found %s, %v", args, got, err)
		}
	}
	if got, err := metaCall(t, r, "find_tool", `{"query":"nothing like it"}`); err != nil || !strings.Contains(got, `"structuredContent":{"tools":[],"total":2,"hint":"No tool fits.`) {
		t.Errorf("found %s, %v", got, err)
	}
	for _, args := range []string{`{}`, `{"query":7}`, `{"query":""}`, `{"query":"x","offset":"1"}`, `[]`, `{"query":"x","limit":"3"}`} {
		if got, err := metaCall(t, r, "find_tool", args); err != nil || !strings.Contains(got, `"isError":true`) {
			t.Errorf("%s gave %s, %v", args, got, err)
		}
	}
	a.fail(errors.New("crashed"))
	r.catalog.Event("a", toolsChanged)
	for limit := time.Now().Add(20 * time.Second); ; { // until the mark is there
		got, err := metaCall(t, r, "find_tool", `{"query":"mail"}`)
		if strings.Contains(got, `"unavailable":"crashed"`) {
			return
		}
		if err != nil || time.Now().After(limit) {
			t.Fatalf("found %s, %v", got, err)
		}
		r.catalog.Warm(t.Context())
	}
}

func TestCallTool(t *testing.T) {
	r, a := searchRig(t)
	call := callOf(mcp.MethodCallTool, "call_tool")
	call.Params = Raw(`{"name":"call_tool","arguments":{"name":"a__read_file","arguments":{"path": "/x", "n":1.0}},"_meta":{"progressToken":1},"requestState":"s"}`)
	call.Arguments, _ = jsonrpc.Get(call.Params, "arguments")
	call.ProgressToken, call.AllowTask, call.Input = Raw("1"), true, rpc.Input{State: []byte("s")}
	if _, err := r.Handle(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	got := a.last()
	if want := `{"name":"read_file","arguments":{"path": "/x", "n":1.0},"_meta":{"progressToken":1},"requestState":"s"}`; string(got.Params) != want {
		t.Errorf("params %s, want %s", got.Params, want)
	}
	if got.Target != "read_file" || string(got.Arguments) != `{"path": "/x", "n":1.0}` || !got.AllowTask || string(got.Input.State) != "s" || string(got.ProgressToken) != "1" {
		t.Errorf("call %+v", got)
	}
	if _, err := metaCall(t, r, "call_tool", `{"name":"a__send_mail"}`); err != nil || string(a.last().Params) != `{"name":"send_mail","_meta":{"progressToken":1}}` {
		t.Errorf("without arguments: %s, %v", a.last().Params, err)
	}
	if _, err := metaCall(t, r, "call_tool", `{"name":"a__send_mail","arguments":null}`); err != nil || string(a.last().Params) != `{"name":"send_mail","_meta":{"progressToken":1}}` {
		t.Errorf("with null: %s, %v", a.last().Params, err)
	}
	before := a.count(mcp.MethodCallTool)
	for _, args := range []string{`{}`, `{"name":"a__secret_file"}`, `{"name":"call_tool"}`, `{"name":"find_tool"}`, `{"name":"a__read_file","arguments":"{}"}`, `{"name":7}`} {
		if got, err := metaCall(t, r, "call_tool", args); err != nil || !strings.Contains(got, `"isError":true`) {
			t.Errorf("%s gave %s, %v", args, got, err)
		}
	}
	if a.count(mcp.MethodCallTool) != before {
		t.Error("a refused call reached the server")
	}
	a.answer(mcp.MethodCallTool, "hang")
	failure := jsonrpc.PeerError(-32099, "the tool's own", nil)
	a.fail(failure)
	if _, err := metaCall(t, r, "call_tool", `{"name":"a__send_mail"}`); err != failure {
		t.Errorf("error %v, want the tool's own", err)
	}
}
