// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
)

func TestBindingsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, endpoint := range []string{"", "/mcp", "/v/x/mcp"} {
		for _, p := range []*rpc.Principal{{ID: "a"}, {ID: "b"}, {ID: "a", Tenant: "b"}, {ID: "", Tenant: "a"}} {
			for _, more := range [][]string{nil, {""}, {"a"}, {"a", "b"}, {"ab"}} {
				seen[Binding(endpoint, p, more...)] = true
			}
		}
	}
	if len(seen) != 3*4*5 {
		t.Errorf("%d bindings, want %d", len(seen), 3*4*5)
	}
}
