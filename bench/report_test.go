// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

func testRow(name string, legacyMicros, modernMicros float64) *rowFigures {
	calls := func(v float64) *callFigures { return &callFigures{CPU: summarise([]float64{v})} }
	return &rowFigures{Name: name, Legacy: calls(legacyMicros), Modern: calls(modernMicros)}
}

func TestConclude(t *testing.T) {
	broken := testRow(rowHoldfast, 1, 1)
	broken.Error = "want x, got HTTP 500: the offender"
	bare, theirs := testRow(rowBare, 10, 10), testRow(rowMCPGo, 50, 100)
	cases := map[string]struct {
		rows  []*rowFigures
		check bool
		want  error
		shows string
	}{
		"met":              {[]*rowFigures{testRow(rowHoldfast, 20, 30), theirs, bare}, true, nil, "legacy yes, modern yes"},
		"missed":           {[]*rowFigures{testRow(rowHoldfast, 20, 100), theirs, bare}, false, nil, "legacy yes, modern no"},
		"missed, checked":  {[]*rowFigures{testRow(rowHoldfast, 60, 30), theirs, bare}, true, errTarget, "legacy no, modern yes"},
		"unknown, checked": {[]*rowFigures{theirs, bare}, true, errTarget, "legacy not measured, modern not measured"},
		"failed row":       {[]*rowFigures{broken, theirs, bare}, false, errRow, "holdfast FAILED: want x, got HTTP 500: the offender"},
		"failed, target":   {[]*rowFigures{broken, theirs, bare}, false, errRow, "legacy not measured"},
		"ratio":            {[]*rowFigures{theirs, bare}, false, nil, " 5.0 "},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			o := options{check: c.check, jsonFile: filepath.Join(t.TempDir(), "result.json")}
			if err := conclude(newReport(settings{}, c.rows), o, &out); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if !strings.Contains(out.String(), c.shows) {
				t.Errorf("report does not show %q:\n%s", c.shows, &out)
			}
		})
	}
}

func TestParseOptions(t *testing.T) {
	cases := map[string]bool{
		"":                   true,
		"-n 100 -c 4":        true,
		"-streams 0 -check":  true,
		"-n 3 -c 4":          false,
		"-c 0":               false,
		"-rounds -1":         false,
		"-streams 100000":    false,
		"-unknown":           false,
		"-n 100 superfluous": false,
	}
	for args, ok := range cases {
		_, err := parseOptions(strings.Fields(args), io.Discard)
		if (err == nil) != ok || err != nil && !errors.Is(err, errUsage) {
			t.Errorf("flags %q: %v, want ok %v", args, err, ok)
		}
	}
}

func TestChooseRows(t *testing.T) {
	rows, err := chooseRows("net/http,mcp-go")
	if err != nil || len(rows) != 2 || rows[0].name != rowMCPGo || rows[1].name != rowBare {
		t.Errorf("rows %v, %v", rows, err)
	}
	if _, err := chooseRows("mcpgo"); err == nil || !strings.Contains(err.Error(), rowMCPGo) {
		t.Errorf("unknown row: %v, want the names there are", err)
	}
}
