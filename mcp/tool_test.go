// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp_test

import (
	"testing"

	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestRepeatable(t *testing.T) {
	for tool, want := range map[string]bool{
		`{"name":"a"}`: false,
		`{"annotations":{"readOnlyHint":false,"idempotentHint":true}}`: true,
		`{"annotations":{"readOnlyHint":true}}`:                        true,
		`{"annotations":{"destructiveHint":true}}`:                     false,
	} {
		if got := mcp.Repeatable(mcp.Raw(tool)); got != want {
			t.Errorf("%s: %v", tool, got)
		}
	}
}

func TestUnmarshalIntoSaysWhatIsMissing(t *testing.T) {
	var v struct{ A int }
	if err := (&mcp.CallToolResult{Structured: mcp.Raw(`{"A":1}`)}).UnmarshalInto(&v); err != nil || v.A != 1 {
		t.Errorf("%v, %v", v, err)
	}
	if err := (&mcp.CallToolResult{}).UnmarshalInto(&v); err == nil || err.Error() != "the result has no structured content" {
		t.Errorf("a result without structured content: %v", err)
	}
}
