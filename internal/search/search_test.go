// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package search

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var shelf = []Document{
	{"files__read_file", "Read the complete contents of a file"},
	{"files__writeFile", "Create a file or overwrite it"},
	{"git__commit", "Record changes to the repository"},
	{"mail__send", "Send a message to an address; attachments are files"},
	{"weather__forecast", "Forecast for a city"},
}

func TestFind(t *testing.T) {
	x := New(shelf)
	for question, want := range map[string][]string{
		"read a file":            {"files__read_file", "files__writeFile"},
		"WRITE":                  {"files__writeFile"},
		"repositories":           {"git__commit"},
		"what's the forecast":    {"weather__forecast"},
		"":                       nil,
		"zebra":                  nil,
		"\x00\xff":               nil,
		"files files files file": {"files__writeFile", "files__read_file", "mail__send"},
	} {
		var got []string
		for _, m := range x.Find(question, 10) {
			got = append(got, shelf[m.Document].Name)
		}
		if len(got) > len(want) {
			got = got[:len(want)] // what follows the best is not the matter
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", question, diff)
		}
	}
}

func TestLimit(t *testing.T) {
	x := New(shelf)
	for _, limit := range []int{-1, 0, 1, 2, 100} {
		if n := len(x.Find("file", limit)); n > max(limit, 0) {
			t.Errorf("limit %d: %d matches", limit, n)
		}
	}
	if got := New(nil).Find("file", 5); len(got) != 0 {
		t.Errorf("an empty index found %v", got)
	}
}

func TestOrderIsStable(t *testing.T) {
	same := make([]Document, 50)
	for i := range same {
		same[i] = Document{"echo", "the same"}
	}
	for i, m := range New(same).Find("echo", 50) {
		if m.Document != i {
			t.Fatalf("match %d is document %d", i, m.Document)
		}
	}
}

func TestWords(t *testing.T) {
	got := words("readFile HTTPServer2Go list_entries über-Größe addresses x")
	want := []string{"read", "file", "httpserver2", "go", "list", "entry", "über", "größe", "addresse", "x"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzFind(f *testing.F) {
	f.Add("name", "text", "question")
	f.Add("\xff", "é́", "Ǆ İ")
	f.Fuzz(func(t *testing.T, name, text, question string) {
		x := New([]Document{{name, text}, {text, name}})
		last := Match{-1, -1}
		for _, m := range x.Find(question, 2) {
			if m.Document < 0 || m.Document > 1 || m.Score <= 0 || last.Document >= 0 && m.Score > last.Score {
				t.Errorf("match %v after %v", m, last)
			}
			last = m
		}
	})
}

func BenchmarkFind(b *testing.B) {
	documents := make([]Document, 1000)
	for i := range documents {
		documents[i] = Document{fmt.Sprintf("server%d__read_item_%d", i%50, i), "Reads an item of kind " + fmt.Sprint(i%7) + " from the shelf and returns its parts"}
	}
	x := New(documents)
	b.ReportAllocs()
	for b.Loop() {
		x.Find("read the parts of item 17", 5)
	}
}
