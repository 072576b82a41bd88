// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package search

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The least recall that is accepted, in percent of the questions: it was 65, 90
// and 95 when the questions were written, and 21, 46 and 55 for BM25 over names and
// descriptions alone.
var floors = map[int]int{1: 60, 5: 85, 10: 90}

// TestRecall asks how often a tool that answers a question is among the first
// ones found. Tools and questions are our own: see testdata.
func TestRecall(t *testing.T) {
	var documents []Document
	for _, line := range dataLines(t, "testdata/tools.txt") {
		part := strings.Split(line, "|")
		documents = append(documents, Document{Name: strings.TrimSpace(part[0]), Text: part[1], Details: part[2]})
	}
	x, questions, hits := New(documents), dataLines(t, "testdata/questions.txt"), map[int]int{}
	for _, line := range questions {
		question, list, _ := strings.Cut(line, " = ")
		answers := strings.Split(list, ", ")
		for _, answer := range answers {
			if _, has := x.slots[answer]; !has {
				t.Errorf("%q is answered by %q, which is no tool", question, answer)
			}
		}
		rank := slices.IndexFunc(x.Find(question, 10), func(m Match) bool { return slices.Contains(answers, m.Name) })
		for k := range floors {
			if rank >= 0 && rank < k {
				hits[k]++
			}
		}
		if rank < 0 {
			t.Logf("not among the first ten: %q", question)
		}
	}
	for k, floor := range floors {
		recall := 100 * hits[k] / len(questions)
		t.Logf("recall at %d: %d %%", k, recall)
		if recall < floor {
			t.Errorf("recall at %d is %d %%, want at least %d %%", k, recall, floor)
		}
	}
}

func dataLines(t *testing.T, name string) []string {
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}
