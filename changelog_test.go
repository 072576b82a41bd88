// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package holdfast_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	releaseHead = regexp.MustCompile(`^## \[(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)\] - 20\d\d-[01]\d-[0-3]\d$`)
	changeKinds = []string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
)

// TestChangelog holds the form from which a release takes its notes: Unreleased on
// top, then a section for each version, and in them the kinds of changes.
func TestChangelog(t *testing.T) {
	text, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	var sections []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if kind, isKind := strings.CutPrefix(line, "### "); isKind && !slices.Contains(changeKinds, kind) {
			t.Errorf("%q is no kind of change; there are %q", kind, changeKinds)
		}
		if strings.HasPrefix(line, "## ") {
			sections = append(sections, line)
		}
	}
	if len(sections) < 2 || sections[0] != "## [Unreleased]" {
		t.Fatalf("the sections are %q, want ## [Unreleased] and then a version", sections)
	}
	for _, section := range sections[1:] {
		if !releaseHead.MatchString(section) {
			t.Errorf("%q is not of the form ## [1.2.3] - 2026-12-31", section)
		}
	}
}
