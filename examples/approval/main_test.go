// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}`

func dial(t *testing.T) transport.Conn {
	t.Helper()
	s := newServer()
	ours, theirs := transport.Pipe()
	served := make(chan error, 1)
	go func() { served <- s.ServeConn(context.Background(), theirs) }()
	t.Cleanup(func() {
		if err := ours.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		s.Close()
	})
	return ours
}

func send(t *testing.T, c transport.Conn, format string, args ...any) {
	t.Helper()
	if err := c.Write(fmt.Appendf(nil, format, args...)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c transport.Conn) jsonrpc.Message {
	t.Helper()
	data, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	msg, err := jsonrpc.Decode(data, jsonrpc.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// A client of the newest revision gets the question as a result and calls again
// with the answer.
func TestModernClientIsAsked(t *testing.T) {
	for tool, done := range map[string]string{"deploy": "deployed 1.0.0", "rollback": "rolled back to 1.0.0"} {
		t.Run(tool, func(t *testing.T) {
			c := dial(t)
			send(t, c, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,%s}}`, tool, meta)
			var question mcp.InputRequiredResult
			if err := json.Unmarshal(receive(t, c).Result, &question); err != nil || len(question.InputRequests) != 1 {
				t.Fatalf("question %+v, %v; want one", question, err)
			}
			state := ""
			if question.RequestState != nil {
				state = `,"requestState":"` + *question.RequestState + `"`
			}
			for key := range question.InputRequests {
				send(t, c, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":%q,"inputResponses":{%q:{"action":"accept","content":{"approve":true}}}%s,%s}}`,
					tool, key, state, meta)
			}
			if got := receive(t, c); !strings.Contains(string(got.Result), done) {
				t.Errorf("got %s %v, want %q", got.Result, got.Error, done)
			}
		})
	}
}

// An older client gets the question as a request while its call runs.
func TestLegacyClientIsAsked(t *testing.T) {
	for tool, done := range map[string]string{"deploy": "deployed 1.0.0", "rollback": "rolled back to 1.0.0"} {
		t.Run(tool, func(t *testing.T) {
			c := dial(t)
			send(t, c, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}},"clientInfo":{"name":"t","version":"1"}}}`)
			receive(t, c)
			send(t, c, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
			send(t, c, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q}}`, tool)
			question := receive(t, c)
			if question.Method != mcp.MethodElicit {
				t.Fatalf("got %q, want a question", question.Method)
			}
			send(t, c, `{"jsonrpc":"2.0","id":%s,"result":{"action":"accept","content":{"approve":true}}}`, question.ID)
			if got := receive(t, c); !strings.Contains(string(got.Result), done) {
				t.Errorf("got %s %v, want %q", got.Result, got.Error, done)
			}
		})
	}
}
