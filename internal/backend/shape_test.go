// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

// TestEntriesOfLists: who allows it gets a long list's entries apart from the result,
// the same as in a list that is whole, in every era and over every transport. Those that
// have not changed are the same memory as before; the one that has is not.
func TestEntriesOfLists(t *testing.T) {
	for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
		for _, tasks := range []bool{false, true} {
			for _, over := range []string{"memory", "http"} {
				t.Run(fmt.Sprint(era, " over ", over, " tasks ", tasks), func(t *testing.T) {
					d := newInMemory(era).closes(t)
					add := func(i int, says string) {
						var opts []server.ToolOption
						if tasks {
							opts = append(opts, server.Task(server.TaskOptional, time.Minute, time.Second))
						}
						d.srv.AddTool(mcp.Tool{
							Name: fmt.Sprint("tool_", i), Description: says + strings.Repeat(" and so on", 30),
							InputSchema: Raw(`{"type":"object"}`), OutputSchema: Raw(`{"type":"object"}`),
						}, func(context.Context, *server.Request) (*mcp.CallToolResult, error) { return nil, nil }, opts...)
					}
					for i := range 100 {
						add(i, "says this")
					}
					var r *Remote
					if over == "memory" {
						r = newRemote(t, d.dial)
					} else {
						r = newHTTPRemote(t, Config{}, newChanging(t, d.srv).URL+"/mcp", HTTPConfig{})
					}
					first := listed(t, r)
					d.srv.RemoveTools("tool_7")
					add(7, "says something else")
					second := listed(t, r)
					for name, entry := range second {
						if again := &entry[0] == &first[name][0]; again == (name == "tool_7") {
							t.Errorf("%s: same memory as before: %v", name, again)
						}
					}
					if len(second) != 102 || string(second["tool_7"]) == string(first["tool_7"]) {
						t.Errorf("%d tools, tool_7 %s", len(second), second["tool_7"])
					}
				})
			}
		}
	}
}

// listed returns the entries of a list of tools by name. They are those of the list that
// who does not want entries gets.
func listed(t *testing.T, r *Remote) map[string]Raw {
	t.Helper()
	call := &rpc.Call{Method: mcp.MethodListTools, Peer: &rpc.Peer{Features: mcp.Latest.Features()}, Principal: rpc.Local, Client: &caller{}}
	plain, err := r.Handle(t.Context(), call)
	if err != nil || plain.Entries != nil {
		t.Fatal(plain.Entries, err)
	}
	wanting := *call
	wanting.AllowEntries = true
	res, err := r.Handle(t.Context(), &wanting)
	if err != nil || res.Entries == nil {
		t.Fatalf("no entries: %.200s, %v", res.Body, err)
	}
	if got := whole(call, res); string(got.Body) != string(plain.Body) || got.Cache != plain.Cache {
		t.Fatalf("put together: %.300s\nwant %.300s", got.Body, plain.Body)
	}
	entries := map[string]Raw{}
	for _, entry := range res.Entries {
		if !entry.IsValid() {
			t.Fatalf("%s", entry)
		}
		entries[memberText(entry, "name")] = entry
	}
	return entries
}
