// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/endpoint"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport/streamable"
)

// twoEndpoints are two views of one gateway: they share keys and tasks.
type twoEndpoints map[string]string // URLs by name

func startTwo(t *testing.T) twoEndpoints {
	handler := rpc.HandlerFunc(func(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
		question := map[string]rpc.InputRequest{"q": {
			Method: mcp.MethodElicit, Params: rpc.Raw(`{"message":"?","requestedSchema":{"type":"object","properties":{}}}`),
		}}
		switch {
		case call.Target == "returns" && call.Input.Responses == nil:
			return rpc.Result{Input: &rpc.InputRequired{Requests: question, State: []byte("mine")}}, nil
		case call.Target == "task" && call.AllowTask:
			return rpc.Result{Deferred: &rpc.Deferred{TTL: time.Minute, Run: func(ctx context.Context, _ rpc.Client) (rpc.Result, error) {
				<-ctx.Done()
				return rpc.Result{}, context.Cause(ctx)
			}}}, nil
		case call.Target == "returns":
			return rpc.Result{Body: rpc.Raw(`{"content":[{"type":"text","text":"done"}]}`)}, nil
		}
		return asks(ctx, call)
	})
	ring, tasks := seal.NewRing(), task.NewSet(task.Config{Log: slog.New(slog.DiscardHandler)})
	two := twoEndpoints{}
	for _, name := range []string{"/a/mcp", "/b/mcp"} {
		e := endpoint.New(endpoint.Config{Handler: handler, Ring: ring, Tasks: tasks, Name: name, Log: slog.New(slog.DiscardHandler)})
		srv := httptest.NewServer(streamable.NewHandler(e, streamable.Config{}))
		two[name] = srv.URL
		t.Cleanup(func() { srv.CloseClientConnections(); e.Close(); srv.Close() })
	}
	t.Cleanup(tasks.Close)
	return two
}

func (two twoEndpoints) send(t *testing.T, name, verb, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), verb, two[name], strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(got), res.Header
}

// modern makes a request of the modern era.
func (two twoEndpoints) modern(t *testing.T, name, method, target, params string) string {
	t.Helper()
	meta := `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},` +
		`"io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}}`
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s,%s}}`, method, params, meta)
	_, got, _ := two.send(t, name, "POST", body, "MCP-Protocol-Version", "2026-07-28", "Mcp-Method", method, "Mcp-Name", target)
	return got
}

// TestTicketStaysAtItsEndpoint: a session of one endpoint is none at another, and
// cannot be ended there.
func TestTicketStaysAtItsEndpoint(t *testing.T) {
	two := startTwo(t)
	_, _, h := two.send(t, "/a/mcp", "POST", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",`+
		`"capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`)
	ticket := h.Get(mcp.HeaderSessionID)
	if ticket == "" {
		t.Fatal("no session")
	}
	ping := `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	for _, tt := range []struct {
		verb, body string
	}{{"POST", ping}, {"POST", "[" + ping + "]"}, {"GET", ""}, {"DELETE", ""}} {
		if status, got, _ := two.send(t, "/b/mcp", tt.verb, tt.body, mcp.HeaderSessionID, ticket); status != 404 {
			t.Errorf("%s at another endpoint: %d %s", tt.verb, status, got)
		}
	}
	if status, got, _ := two.send(t, "/a/mcp", "POST", ping, mcp.HeaderSessionID, ticket); status != 200 {
		t.Errorf("the session's own endpoint answers %d %s", status, got)
	}
}

// TestStateStaysAtItsEndpoint: of a call that is parked and of one whose handler
// returned its question.
func TestStateStaysAtItsEndpoint(t *testing.T) {
	two := startTwo(t)
	for _, tool := range []string{"parks", "returns"} {
		first := two.modern(t, "/a/mcp", mcp.MethodCallTool, tool, `"name":"`+tool+`"`)
		state := regexp.MustCompile(`"requestState":("[^"]+")`).FindStringSubmatch(first)
		if state == nil {
			t.Fatalf("no question: %s", first)
		}
		retry := `"name":"` + tool + `","requestState":` + state[1] + `,"inputResponses":{"q":{"action":"accept","content":{}}}`
		if got := two.modern(t, "/b/mcp", mcp.MethodCallTool, tool, retry); !strings.Contains(got, "not valid for this request") {
			t.Errorf("%s at another endpoint: %s", tool, got)
		}
		if got := two.modern(t, "/a/mcp", mcp.MethodCallTool, tool, retry); !strings.Contains(got, `"content"`) {
			t.Errorf("%s at its own endpoint: %s", tool, got)
		}
	}
}

// TestTaskStaysAtItsEndpoint: in both protocols for tasks.
func TestTaskStaysAtItsEndpoint(t *testing.T) {
	two := startTwo(t)
	created := two.modern(t, "/a/mcp", mcp.MethodCallTool, "task", `"name":"task"`)
	id := regexp.MustCompile(`"taskId":"([^"]+)"`).FindStringSubmatch(created)
	if id == nil {
		t.Fatalf("no task: %s", created)
	}
	param := `"taskId":"` + id[1] + `"`
	for _, method := range []string{mcp.MethodGetTask, mcp.MethodCancelTask, mcp.MethodUpdateTask} {
		if got := two.modern(t, "/b/mcp", method, id[1], param+`,"inputResponses":{}`); !strings.Contains(got, "unknown or expired task") {
			t.Errorf("%s at another endpoint: %s", method, got)
		}
	}
	if got := two.modern(t, "/a/mcp", mcp.MethodGetTask, id[1], param); !strings.Contains(got, `"working"`) {
		t.Errorf("at its own endpoint: %s", got)
	}
}
