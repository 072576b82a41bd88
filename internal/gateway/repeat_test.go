// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// deferring is a backend whose tools all run as tasks.
type deferring struct {
	scripted
	deferred *rpc.Deferred
}

func (d *deferring) Handle(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if call.Method == mcp.MethodCallTool {
		return rpc.Result{Deferred: d.deferred}, nil
	}
	return d.scripted.Handle(ctx, call)
}

// TestTasksSayWhetherTheyMayBeRepeated: by the entry that the server listed,
// under whatever name the tool was called.
func TestTasksSayWhetherTheyMayBeRepeated(t *testing.T) {
	d := &deferring{deferred: &rpc.Deferred{}}
	d.name = "a"
	d.answers = map[string]string{mcp.MethodListTools: `{"tools":[
		{"name":"plain","inputSchema":{"type":"object"}},
		{"name":"again","inputSchema":{"type":"object"},"annotations":{"idempotentHint":true}},
		{"name":"reads","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}]}`}
	common := newRig(t, CatalogConfig{}, Config{Search: true}, d)
	own := New(Config{Own: "a"}, common.hub, common.catalog)
	common.catalog.Warm(t.Context())
	for tool, want := range map[string]bool{"plain": false, "again": true, "reads": true} {
		direct := callOf(mcp.MethodCallTool, "a__"+tool)
		found := callOf(mcp.MethodCallTool, callTool)
		found.Arguments = Raw(`{"name":"a__` + tool + `"}`)
		found.Params = Raw(`{"name":"call_tool","arguments":{"name":"a__` + tool + `"}}`)
		for what, ask := range map[string]func() (rpc.Result, error){
			"by its public name": func() (rpc.Result, error) { return common.Handle(t.Context(), direct) },
			"by call_tool":       func() (rpc.Result, error) { return common.Handle(t.Context(), found) },
			"by its own name":    func() (rpc.Result, error) { return own.Handle(t.Context(), callOf(mcp.MethodCallTool, tool)) },
		} {
			if res, err := ask(); err != nil || res.Deferred == nil || res.Deferred.Repeatable != want {
				t.Errorf("%s %s: %+v, %v, want %v", tool, what, res.Deferred, err, want)
			}
		}
	}
	if res, err := own.Handle(t.Context(), callOf(mcp.MethodCallTool, "unlisted")); err != nil || res.Deferred.Repeatable {
		t.Errorf("an unlisted tool: %+v, %v", res.Deferred, err)
	}
}
