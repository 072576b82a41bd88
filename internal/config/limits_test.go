// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLimitsAreDocumented holds the table of docs/limits.md to the defaults, key
// by key, and that it leaves none out.
func TestLimitsAreDocumented(t *testing.T) {
	data, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| [^|]* \\| `(\\w+)` \\| ([^|]*) \\|").FindAllStringSubmatch(string(data), -1) {
		documented[row[1]] = row[2]
	}
	l := defaultLimits()
	size := func(n int64) string { return strings.Replace(formatSize(n), "MiB", " MiB", 1) }
	want := map[string]string{
		"maxBody": size(l.MaxBody), "maxDepth": fmt.Sprint(l.MaxDepth), "maxBatch": fmt.Sprint(l.MaxBatch),
		"callTimeout": fmt.Sprintf("%.0f min", l.CallTimeout.Minutes()), "processes": fmt.Sprint(l.Processes),
		"connections": "see below", "calls": fmt.Sprintf("%d,%03d", l.Calls/1000, l.Calls%1000),
		"messageMemory": size(l.MessageMemory), "share": fmt.Sprintf("%d %%", l.Share),
	}
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Errorf("docs/limits.md (-want +got):\n%s", diff)
	}
	for key := range documented { // each is a key that the schema knows
		if _, err := Parse("x.yaml", []byte("limits: {"+key+": }"), environment); err == nil || strings.Contains(err.Error(), "unknown key") {
			t.Errorf("limits.%s: %v", key, err)
		}
	}
}
