// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package search

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var shelf = []Document{
	{Name: "files__read_file", Text: "Read the complete contents of a file", Details: "path encoding: how its characters are stored"},
	{Name: "files__writeFile", Text: "Create a file or overwrite it"},
	{Name: "git__commit", Text: "Record changes to the repository"},
	{Name: "mail__send", Text: "Send a message to an address; attachments are files"},
	{Name: "weather__forecast", Text: "Forecast for a city", Keywords: "rain umbrella"},
	{Name: "id__whoami", Text: "The account in use"},
	{Name: "zh__du", Text: "读取文件的内容"},
}

func find(x *Index, question string, limit int) []string {
	var names []string
	for _, m := range x.Find(question, limit) {
		names = append(names, m.Name)
	}
	return names
}

// TestFind shows what comes first. What follows is not the matter.
func TestFind(t *testing.T) {
	x := New(shelf)
	for question, want := range map[string][]string{
		"read a file":                   {"files__read_file", "files__writeFile"},
		"WRITE":                         {"files__writeFile"},
		"repositories":                  {"git__commit"},
		"what's the forecast":           {"weather__forecast"},
		"encoding":                      {"files__read_file"},  // of a parameter
		"umbrella":                      {"weather__forecast"}, // of the configuration
		"post something to an address":  {"mail__send"},        // a synonym
		"show the contents":             {"files__read_file"},
		"frecast":                       {"weather__forecast"}, // a letter is missing
		"wirte":                         {"files__writeFile"},  // two are swapped
		"weatherforecasts":              {"weather__forecast"},
		"who am I":                      {"id__whoami"}, // one word there
		"文件内容":                          {"zh__du"},
		"mail__send":                    {"mail__send"},
		"call files__writeFile, please": {"files__writeFile"},
		"files files files file":        {"files__writeFile", "files__read_file"},
	} {
		got := find(x, question, 10)
		if diff := cmp.Diff(want, got[:min(len(got), len(want))]); diff != "" {
			t.Errorf("%q (-want +got):\n%s", question, diff)
		}
	}
}

func TestNothingIsFound(t *testing.T) {
	x := New(append(shelf[:len(shelf):len(shelf)], Document{Name: "the_of", Text: "what is it for, and who can use it"}))
	for _, question := range []string{"", "zebra", "\x00\xff", "what can you do for me", "use the tool", "which of these are there?", "qq xx zz"} {
		if got := x.Find(question, 10); len(got) != 0 {
			t.Errorf("%q found %v", question, got)
		}
	}
	if got := New(nil).Find("file", 5); len(got) != 0 {
		t.Errorf("an empty index found %v", got)
	}
}

// TestFullNameIsFirst: whatever else the question says.
func TestFullNameIsFirst(t *testing.T) {
	x := New(shelf)
	for _, d := range shelf {
		for _, question := range []string{d.Name, "read the file " + d.Name + " send message", `"` + d.Name + `"?`} {
			if got := x.Find(question, 1); len(got) != 1 || got[0].Name != d.Name {
				t.Errorf("%q found %v", question, got)
			}
		}
	}
}

// TestNear: by how names are spelled, not by what the tools do.
func TestNear(t *testing.T) {
	x := New([]Document{
		{Name: "git__log", Text: "Commit history: each commit with its commit message"}, {Name: "git__commit", Text: "Record"},
		{Name: "git__commit_amend", Text: "Amend"}, {Name: "files__read_file", Text: "Read"},
	})
	for name, want := range map[string][]string{
		"git__comit": {"git__commit", "git__commit_amend"}, "commit": {"git__commit", "git__commit_amend"}, "GIT_COMMIT": {"git__commit", "git__commit_amend"},
		"files__raed_file": {"files__read_file"}, "qqqq": nil, "": nil, strings.Repeat("zq ", 5000): nil,
	} {
		got := x.Near(name, 2)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
	}
	if got := x.Near("git__comit", 0); got != nil {
		t.Errorf("none wanted: %v", got)
	}
}

func TestLimit(t *testing.T) {
	x := New(shelf)
	for _, limit := range []int{-1, 0, 1, 2, 100} {
		if n := len(x.Find("file", limit)); n > max(limit, 0) {
			t.Errorf("limit %d: %d matches", limit, n)
		}
	}
}

func TestOrderIsStable(t *testing.T) {
	same := make([]Document, 50)
	for i := range same {
		same[i] = Document{Name: fmt.Sprintf("%c%c__echo", 'z'-i/7, 'z'-i%7), Text: "the same"}
	}
	got := find(New(same), "echo", 50)
	for i := range got[1:] {
		if got[i] >= got[i+1] {
			t.Fatalf("%q before %q", got[i], got[i+1])
		}
	}
}

func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		"readFile HTTPServer2Go list_entries": {"read", "file", "httpserver2", "go", "list", "entry"},
		"über-Größe addresses x":              {"über", "größe", "addresse", "x"},
		"读文件 open ファイル":                       {"读", "读文", "文件", "open", "フ", "ファ", "ァイ", "イル"},
		"id 0123456789012345678901234567890123456789012345678901234567890123456789 end": {"id", "end"},
	} {
		if diff := cmp.Diff(want, words(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// TestSynonymsAreWords: one that words would change could never be found.
func TestSynonymsAreWords(t *testing.T) {
	for word, others := range synonyms {
		for _, other := range append(others, word) {
			if got := words(other); len(got) != 1 || got[0] != other || stopWords[other] {
				t.Errorf("the synonym %q of %q is %q in the index, or a stop word", other, word, got)
			}
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add("name", "text", "question")
	f.Add("\xff", "é́", "Ǆ İ")
	f.Add("读文件", "ファイル", "文件a读")
	f.Fuzz(func(t *testing.T, name, text, question string) {
		x := New([]Document{{Name: name, Text: text, Details: question}, {Name: text, Text: name}})
		last := Match{}
		for i, m := range x.Find(question, 3) {
			if i > 1 || m.Name != name && m.Name != text || m.Score <= 0 || i > 0 && m.Score > last.Score {
				t.Errorf("match %d %v after %v", i, m, last)
			}
			last = m
		}
		if found := x.Find(name, 1); name != "" && len(found) == 0 && len(words(name)) > 0 && !stopWords[words(name)[0]] {
			t.Errorf("%q is not found by its name", name)
		}
	})
}
