// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestCallsAwaitWhoBeganToFail holds that a call of a server that has listed nothing yet
// waits for it while it began to fail a moment ago, as it does when its node or itself is
// starting, and no longer.
func TestCallsAwaitWhoBeganToFail(t *testing.T) {
	for _, tc := range []struct {
		name       string
		up, called time.Duration // after the first try
		answered   time.Duration // after the call; 0 when it is refused
		refused    time.Duration
	}{
		{name: "up by the next try", up: 500 * time.Millisecond, called: 100 * time.Millisecond, answered: 900 * time.Millisecond},
		{name: "up by a later one", up: 3500 * time.Millisecond, called: 100 * time.Millisecond, answered: 3900 * time.Millisecond},
		{name: "the next try is far away", up: 2500 * time.Millisecond, called: 2600 * time.Millisecond, answered: 400 * time.Millisecond},
		{name: "stays down", up: time.Hour, called: time.Second, refused: 4 * time.Second},
		{name: "is down for long", up: time.Hour, called: 100 * time.Second},
	} {
		for _, as := range []struct{ method, target, list string }{
			{mcp.MethodCallTool, "late__one", mcp.MethodListTools},
			{mcp.MethodGetPrompt, "late__one", mcp.MethodListPrompts},
		} {
			t.Run(tc.name+"/"+as.method, func(t *testing.T) {
				late := &scripted{name: "late", answers: offering("one"), err: jsonrpc.NewError(jsonrpc.CodeInternal, "no node is ready")}
				late.answer(mcp.MethodListPrompts, `{"prompts":[{"name":"one"}]}`)
				late.answer(mcp.MethodGetPrompt, `{"messages":[]}`)
				bubble(t, CatalogConfig{}, func(t *testing.T, r *rig) {
					r.catalog.Open()
					synctest.Wait()
					time.AfterFunc(tc.up, func() { late.fail(nil) })
					time.Sleep(tc.called)
					began := time.Now()
					_, err := ask(t, r.Gateway, as.method, as.target)
					took, want := time.Since(began), tc.answered
					if want == 0 {
						want = tc.refused
						wantCode(t, err, jsonrpc.CodeInternal)
					} else if err != nil {
						t.Error(err)
					}
					if took != want {
						t.Errorf("took %v, want %v", took, want)
					}
				}, late)
			})
		}
	}
}
