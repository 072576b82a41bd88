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
