// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import (
	"slices"
	"testing"
)

func TestVersions(t *testing.T) {
	all := Versions()
	if !slices.IsSortedFunc(all, func(a, b Version) int { return -compare(a, b) }) {
		t.Errorf("%v are not newest first", all)
	}
	if got := append(VersionsOf(Modern), VersionsOf(Legacy)...); !slices.Equal(got, all) {
		t.Errorf("the eras together have %v; want %v", got, all)
	}
	if all[0] != Latest || VersionsOf(Legacy)[0] != LatestLegacy {
		t.Errorf("Latest %s, LatestLegacy %s", Latest, LatestLegacy)
	}
	all[0] = "changed"
	if Versions()[0] != Latest {
		t.Error("a caller can change the list")
	}
}

func compare(a, b Version) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestEra(t *testing.T) {
	tests := map[Version]Era{
		V20241105: Legacy, V20250326: Legacy, V20250618: Legacy, V20251125: Legacy, V20260728: Modern,
		"2027-01-01": Modern, "9999-99-99": Modern,
		"2024-10-07": 0, "2025-01-01": 0, "2026-01-01": 0, "1900-01-01": 0,
		"": 0, "latest": 0, "2026-07-2": 0, "2026-07-281": 0, "2026/07/28": 0, "2026-07-2x": 0, " 2026-07-28": 0, "２026-07-28": 0,
	}
	for v, want := range tests {
		if got := v.Era(); got != want {
			t.Errorf("%q: era %v; want %v", v, got, want)
		}
	}
	for era, want := range map[Era]string{Legacy: "legacy", Modern: "modern", 0: "unknown", 9: "unknown"} {
		if got := era.String(); got != want {
			t.Errorf("era %d is %q; want %q", era, got, want)
		}
	}
}

// spec 2025-11-25 basic/lifecycle#version-negotiation.
func TestNegotiate(t *testing.T) {
	for asked, want := range map[Version]Version{
		V20241105: V20241105, V20250326: V20250326, V20250618: V20250618, V20251125: V20251125,
		V20260728: LatestLegacy, "2027-01-01": LatestLegacy, "1.0": LatestLegacy, "": LatestLegacy,
	} {
		if got := Negotiate(asked); got != want {
			t.Errorf("Negotiate(%q) = %q; want %q", asked, got, want)
		}
	}
}

func TestAnswered(t *testing.T) {
	for v, want := range map[Version]Version{"2024-10-07": V20241105, V20250618: V20250618, "2024-10-08": "2024-10-08", "": ""} {
		if got := Answered(v); got != want {
			t.Errorf("Answered(%q) = %q; want %q", v, got, want)
		}
	}
}
