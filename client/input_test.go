// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-mcp/holdfast/internal/pause"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func decline(context.Context, *mcp.ElicitParams) (*mcp.ElicitResult, error) {
	return &mcp.ElicitResult{Action: mcp.ActionDecline}, nil
}

// rounds plays the given results one after the other and keeps what was sent.
func playRounds(sent *[]string, results ...string) func(jsonrpc.Message, func([]byte)) {
	n := 0
	return func(m jsonrpc.Message, send func([]byte)) {
		if m.ID.IsZero() {
			return
		}
		*sent = append(*sent, string(jsonrpc.Delete(m.Params, "_meta")))
		send(result(m, results[min(n, len(results)-1)]))
		n++
	}
}

// TestInputRounds: spec 2026-07-28 basic/patterns/mrtr.
func TestInputRounds(t *testing.T) {
	ask := `"inputRequests":{"k":{"method":"elicitation/create","params":{"message":"?"}}}`
	tests := []struct {
		name    string
		results []string
		want    []string
	}{
		{"with-state", []string{`{"resultType":"input_required",` + ask + `,"requestState":"a\u00e9\/b"}`, textResult}, []string{
			`{"name":"t"}`, `{"name":"t","inputResponses":{"k":{"action":"decline"}},"requestState":"a\u00e9\/b"}`}},
		{"without-state", []string{`{"resultType":"input_required",` + ask + `}`, textResult}, []string{
			`{"name":"t"}`, `{"name":"t","inputResponses":{"k":{"action":"decline"}}}`}},
		{"state-only", []string{`{"resultType":"input_required","requestState":"s"}`, textResult}, []string{
			`{"name":"t"}`, `{"name":"t","requestState":"s"}`}},
		{"nothing-is-carried-over", []string{`{"resultType":"input_required",` + ask + `,"requestState":"1"}`, `{"resultType":"input_required","requestState":"2"}`, textResult}, []string{
			`{"name":"t"}`, `{"name":"t","inputResponses":{"k":{"action":"decline"}},"requestState":"1"}`, `{"name":"t","requestState":"2"}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent []string
				c := connect(t, Conn(modernPipe(playRounds(&sent, tt.results...))), OnElicit(decline))
				res, err := c.CallTool(t.Context(), "t", nil)
				if err != nil || res.Text() != "hi" {
					t.Fatalf("CallTool: %v, %v", res, err)
				}
				if diff := cmp.Diff(tt.want, sent); diff != "" {
					t.Errorf("sent (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestInputRefused(t *testing.T) {
	tests := []struct {
		name, result, want string
	}{
		{"nothing-asked", `{"resultType":"input_required"}`, "without inputRequests"},
		{"state-kind", `{"resultType":"input_required","requestState":7}`, "requestState is not a string"},
		{"undeclared", `{"resultType":"input_required","inputRequests":{"k":{"method":"sampling/createMessage"}}}`, "did not declare"},
		{"unknown", `{"resultType":"input_required","inputRequests":{"k":{"method":"tools/list"}}}`, `a question of method "tools/list"`},
		{"shape", `{"resultType":"input_required","inputRequests":[]}`, "unreadable"},
		{"type", `{"resultType":"surprise"}`, `a result of type "surprise"`},
		{"bad-params", `{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":[]}}}`, "invalid params"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent []string
				c := connect(t, Conn(modernPipe(playRounds(&sent, tt.result))), OnElicit(decline))
				if _, err := c.CallTool(t.Context(), "t", nil); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("CallTool: %v, want %q", err, tt.want)
				}
			})
		})
	}
}

func TestInputIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		c := connect(t, Conn(modernPipe(playRounds(&sent, `{"resultType":"input_required","requestState":"s"}`))))
		if _, err := c.CallTool(t.Context(), "t", nil); !errors.Is(err, ErrTooManyRounds) || len(sent) != 11 {
			t.Errorf("CallTool: %v after %d calls", err, len(sent))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		c := connect(t, Conn(modernPipe(playRounds(&sent, `{"resultType":"input_required","inputRequests":{"k":{"method":"roots/list"}}}`))),
			InputRounds(1000, time.Minute), OnRoots(func(ctx context.Context) ([]mcp.Root, error) {
				return nil, pause.For(ctx, 7*time.Second)
			}))
		start := time.Now()
		if _, err := c.CallTool(t.Context(), "t", nil); !errors.Is(err, ErrTooManyRounds) {
			t.Errorf("CallTool: %v", err)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

func TestInputIsReturnedOnRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		const asked = `{"resultType":"input_required","requestState":"s"}`
		c := connect(t, Conn(modernPipe(playRounds(&sent, asked))))
		got, err := c.Call(t.Context(), mcp.MethodCallTool, Raw(`{"name":"t"}`), CallOptions{ReturnInput: true})
		if err != nil || string(got) != asked {
			t.Errorf("Call: %s, %v", got, err)
		}
	})
}

// TestTaskIsAwaited: spec extension io.modelcontextprotocol/tasks.
func TestTaskIsAwaited(t *testing.T) {
	const task = `"taskId":"1","createdAt":"2026-01-01T00:00:00Z","lastUpdatedAt":"2026-01-01T00:00:00Z","ttlMs":null,"pollIntervalMs":2000`
	synctest.Test(t, func(t *testing.T) {
		var methods []string
		polls := 0
		c := connect(t, Conn(modernPipe(func(m jsonrpc.Message, send func([]byte)) {
			methods = append(methods, m.Method)
			switch m.Method {
			case mcp.MethodCallTool:
				send(result(m, `{"resultType":"task",`+task+`,"status":"working"}`))
			case mcp.MethodUpdateTask:
				send(result(m, `{"resultType":"complete"}`))
			case mcp.MethodGetTask:
				if polls++; polls < 3 {
					send(result(m, `{"resultType":"complete",`+task+`,"status":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":{"message":"?"}}}}`))
					return
				}
				send(result(m, `{"resultType":"complete",`+task+`,"status":"completed","result":`+textResult+`}`))
			}
		})), Extension(mcp.ExtensionTasks, nil), OnElicit(decline))
		start := time.Now()
		res, err := c.CallTool(t.Context(), "t", nil)
		if err != nil || res.Text() != "hi" {
			t.Fatalf("CallTool: %v, %v", res, err)
		}
		if got := strings.Join(methods, " "); got != "tools/call tasks/get tasks/update tasks/get tasks/get" {
			t.Errorf("the server saw %q", got)
		}
		if took := time.Since(start); took != 6*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
