// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package holdfast_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	adrName   = regexp.MustCompile(`^(\d{4})-[a-z0-9-]+\.md$`)
	adrTitle  = regexp.MustCompile(`^# (\d+)\. \S`)
	adrStatus = regexp.MustCompile(`^Status: (?:accepted$|superseded by \[(\d+)\]\((\d{4}-[a-z0-9-]+\.md)\)(?:$|[.,]))`)
)

// TestDecisions holds that each decision record has the number of its file, and says
// on its third line whether it is in force or which later one took its place.
func TestDecisions(t *testing.T) {
	dir := filepath.Join("docs", "adr")
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	numbers := make(map[string]string)
	for _, f := range files {
		name := adrName.FindStringSubmatch(f.Name())
		if name == nil {
			t.Errorf("%s: a decision record is named NNNN-what-it-says.md", f.Name())
			continue
		}
		if other := numbers[name[1]]; other != "" {
			t.Errorf("%s has the number of %s", f.Name(), other)
		}
		numbers[name[1]] = f.Name()
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitN(string(text), "\n", 4)
		if title := adrTitle.FindStringSubmatch(lines[0]); title == nil || title[1] != strings.TrimLeft(name[1], "0") {
			t.Errorf("%s: its title is %q, want # %s. and words", f.Name(), lines[0], strings.TrimLeft(name[1], "0"))
		}
		if len(lines) < 4 {
			t.Fatalf("%s has %d lines", f.Name(), len(lines))
		}
		status := adrStatus.FindStringSubmatch(lines[2])
		if status == nil {
			t.Errorf("%s: line 3 is %q, want Status: accepted, or Status: superseded by [N](file)", f.Name(), lines[2])
			continue
		}
		if later := status[2]; later != "" {
			if _, err := os.Stat(filepath.Join(dir, later)); err != nil || later <= f.Name() || strings.TrimLeft(later[:4], "0") != status[1] {
				t.Errorf("%s: superseded by %s (%s), which is no later record: %v", f.Name(), status[1], later, err)
			}
		}
	}
}
