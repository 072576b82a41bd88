// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGateway runs the suite through the gateway in every cell, and compares docs/bridge.md with what it found.
func TestGateway(t *testing.T) {
	results, err := runCells(t.Context(), installed(t), t.TempDir(), 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		t.Run(r.cell.String(), func(t *testing.T) {
			for _, set := range r.sets {
				for _, line := range set.faults() {
					t.Errorf("%s: %s", set.set.name, line)
				}
			}
		})
	}
	t.Run("docs/bridge.md", func(t *testing.T) {
		if t.Failed() {
			t.Fatal("the table needs a clean run")
		}
		compareBridge(t, results)
	})
}

func compareBridge(t *testing.T, results []cellResult) {
	want, err := fidelity(results)
	if err != nil {
		t.Fatal(err)
	}
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, "docs", "bridge.md"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(got), "\n"), strings.Split(string(want), "\n")); diff != "" {
		t.Errorf("docs/bridge.md is not what the run finds (-file +run); make it anew with\n\tgo run ./tests/conformance -bridge docs/bridge.md\n%s", diff)
	}
}

// TestExcusesMustBeNeeded checks that an excuse hides nothing that passes, and what it takes out.
func TestExcusesMustBeNeeded(t *testing.T) {
	fails := check{ID: "a", Status: failure}
	passes := check{ID: "b", Status: success}
	note := check{ID: "c", Status: info}
	one := excuse{client: modern, scenario: "s", check: "a", reason: "r"}
	whole := excuse{client: modern, scenario: "s", reason: "r"}
	for name, tc := range map[string]struct {
		checks []check
		excuse excuse
		faults int
		absent int
	}{
		"needed":            {[]check{fails, passes}, one, 0, 1},
		"for another check": {[]check{{ID: "x", Status: failure}, passes}, one, 2, 0}, // stale, and the failure stays
		"stale":             {[]check{{ID: "a", Status: success}}, one, 1, 0},
		"of all":            {[]check{fails, passes, {ID: "d", Status: skipped}}, whole, 0, 2},
		"of nothing made":   {[]check{note}, whole, 0, 1},
		"of all, stale":     {[]check{passes, note}, whole, 1, 0},
		"of another era":    {[]check{fails}, excuse{client: legacy, scenario: "s", check: "a"}, 1, 0},
		"did not run":       {[]check{passes}, excuse{client: modern, scenario: "other"}, 1, 0},
		"unexcused skip":    {[]check{passes, {ID: "d", Status: skipped}}, excuse{client: legacy, scenario: "s"}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := cellResult{cell{modern, legacy, overHTTP}, []setResult{{scenarios: []scenarioResult{{"s", tc.checks}}}}}
			r.excuse([]excuse{tc.excuse})
			if faults := r.sets[0].faults(); len(faults) != tc.faults || r.sets[0].count(absent) != tc.absent {
				t.Errorf("%d taken out, faults %q; want %d and %d", r.sets[0].count(absent), faults, tc.absent, tc.faults)
			}
		})
	}
}

// TestRowsMustBeBorneOut checks that the fidelity table cannot claim what no run shows.
func TestRowsMustBeBorneOut(t *testing.T) {
	results := []cellResult{
		{cell{legacy, legacy, overHTTP}, []setResult{{scenarios: []scenarioResult{{"s", []check{{ID: "a", Status: success}}}}}}},
		{cell{legacy, modern, overHTTP}, []setResult{{scenarios: []scenarioResult{{"s", []check{{ID: "a", Status: absent}}}}}}},
	}
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		row row
		ok  bool
	}{
		"proven":             {row{"f", [4]fate{yes, partly("why"), none, none}, []string{"s"}}, true},
		"excused":            {row{"f", [4]fate{yes, yes, none, none}, []string{"s"}}, false},
		"not run there":      {row{"f", [4]fate{yes, partly("why"), yes, none}, []string{"s"}}, false},
		"unknown scenario":   {row{"f", [4]fate{yes, no("why"), none, none}, []string{"other"}}, false},
		"without a reason":   {row{"f", [4]fate{yes, {word: "no"}, none, none}, []string{"s"}}, false},
		"by a test":          {row{"f", everywhere(yes), []string{"tests/conformance TestGateway"}}, true},
		"by no test":         {row{"f", everywhere(yes), []string{"tests/conformance TestOfNothing"}}, false},
		"by no file":         {row{"f", everywhere(yes), []string{"tests/conformance/none.txtar"}}, false},
		"claims no carriage": {row{"f", everywhere(no("why")), nil}, true},
		"unproven":           {row{"f", everywhere(yes), nil}, false},
	} {
		if err := tc.row.check(root, results); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
