// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestFaultsAreKept holds that what was wrong with a list can be asked for, until the
// server sends a better one.
func TestFaultsAreKept(t *testing.T) {
	a := &scripted{name: "a", answers: map[string]string{
		mcp.MethodListTools:   `{"tools":[{"inputSchema":{"type":"object"}},{"name":"t","annotations":{"readOnlyHint":"yes"},"inputSchema":{"type":"object","properties":[]}}]}`,
		mcp.MethodListPrompts: `{"prompts":[{"name":"p","arguments":[{"name":"x","required":1}]}]}`,
	}}
	bubble(t, CatalogConfig{}, func(t *testing.T, r *rig) {
		if r.catalog.Faults("a") != nil || r.catalog.Faults("b") != nil {
			t.Error("faults before there is a list")
		}
		r.catalog.Warm(t.Context())
		want := []Fault{
			{"tools", "", "entry without a name dropped"},
			{"tools", "t", "members repaired members=[inputSchema.properties]"},
			{"tools", "t", "members of the wrong type dropped members=[annotations.readOnlyHint]"},
			{"prompts", "p", "members repaired members=[arguments.0.required]"},
		}
		if diff := cmp.Diff(want, r.catalog.Faults("a")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		a.answer(mcp.MethodListTools, toolsBody("t"))
		r.catalog.Event("a", toolsChanged)
		settle()
		if diff := cmp.Diff(want[3:], r.catalog.Faults("a")); diff != "" {
			t.Errorf("after a better list (-want +got):\n%s", diff)
		}
	}, a)
}

// TestFaultsOfAListThatChangesAreLoggedOnce holds that a list which changes all the
// time does not fill the log with the same faults, nor with ever new ones.
func TestFaultsOfAListThatChangesAreLoggedOnce(t *testing.T) {
	a := &scripted{name: "a"}
	list := func(i int) string {
		return fmt.Sprintf(`{"tools":[{"name":"same","title":null,"inputSchema":{"type":"object"}},{"name":"new%d","title":null,"inputSchema":{"type":"object"}}]}`, i)
	}
	a.answer(mcp.MethodListTools, list(0))
	bubble(t, CatalogConfig{}, func(t *testing.T, r *rig) {
		r.catalog.Warm(t.Context())
		lines := func(with string) int { return strings.Count(r.log.String(), with) }
		for i := range 30 { // half a minute
			a.answer(mcp.MethodListTools, list(i+1))
			r.catalog.Event("a", toolsChanged)
			settle()
		}
		if n, all := lines("tool=same"), lines("dropped"); n != 1 || all != 32 {
			t.Errorf("%d lines about the same fault, %d in all", n, all)
		}
		for i := range 120 {
			a.answer(mcp.MethodListTools, list(i+100))
			r.catalog.Event("a", toolsChanged)
			settle()
		}
		if n := lines("tool=same"); n != 3 {
			t.Errorf("%d lines about the same fault in two and a half minutes", n)
		}
	}, a)
}
