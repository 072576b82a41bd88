// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

var listLimits = jsonrpc.Limits{Bytes: 1 << 20, Depth: 10}

func newEntries() *jsonrpc.Entries { return jsonrpc.NewEntries(listLimits, "tools", "prompts") }

// checkEntries reads a message in both ways, and reports whether it was taken apart.
func checkEntries(t *testing.T, e *jsonrpc.Entries, data string) bool {
	t.Helper()
	got, ok := e.Decode([]byte(data))
	if !ok {
		return false
	}
	want, err := jsonrpc.Decode([]byte(data), listLimits)
	if err != nil {
		t.Fatalf("took apart %s, which is refused: %v", data, err)
	}
	if got.ID != want.ID || string(got.Result) != string(want.Result) || got.Method != "" {
		t.Fatalf("read %s as %+v, want %+v", data, got, want)
	}
	var entries []string
	for _, member := range []string{"tools", "prompts"} {
		list, _ := jsonrpc.Get(got.Result, member)
		left, has := jsonrpc.Get(got.List.Rest, member)
		if has && string(left) == "[]" && list.Kind() == '[' && entries == nil {
			for entry := range jsonrpc.Elements(list) {
				entries = append(entries, string(entry))
			}
		} else if string(left) != string(list) {
			t.Fatalf("%s: rest %s", data, got.List.Rest)
		}
	}
	if diff := cmp.Diff(entries, texts(got.List.Entries)); diff != "" {
		t.Fatalf("entries of %s (-want +got):\n%s", data, diff)
	}
	return true
}

func texts(all []jsonrpc.Raw) (out []string) {
	for _, v := range all {
		out = append(out, string(v))
	}
	return out
}

func TestEntriesTakeListsApart(t *testing.T) {
	for data, want := range map[string]bool{
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b"}]}}`:                                true,
		`{"result":{"x":[{}],"tools":[ {"name":"]}\""} , {"a":[{}]} ],"nextCursor":"n"},"id":1,"jsonrpc":"2.0"}`: true,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}],"prompts":[{"name":"b"}]}}`:                    true,
		`{"jsonrpc":"2.0","id":1,"result":{"\u0074ools":[{"name":"a"}]}}`:                                        true,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}`:                                                         false,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},]}}`:                                            false,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"} {"name":"b"}]}}`:                                false,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[,{"name":"a"}]}}`:                                            false,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},7]}}`:                                           false,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","name":"a"}]}}`:                                  false,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"\ud800"}]}}`:                                        false,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":}]}}`:                                                false,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}],"tools":[]}}`:                                  false,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}]},"result":{}}`:                                 false,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}]}}}`:                                            false,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}]`:                                               false,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"`:                                                 false,
		`{"jsonrpc":"1.0","id":1,"result":{"tools":[{"name":"a"}]}}`:                                             false,
		`{"jsonrpc":"2.0","result":{"tools":[{"name":"a"}]}}`:                                                    false,
		`{"jsonrpc":"2.0","id":1,"result":[{"tools":[{"name":"a"}]}]}`:                                           false,
		`{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"tools":[{"name":"a"}]}}}`:                       false,
		`{"jsonrpc":"2.0","id":1,"method":"x","params":{"tools":[{"name":"a"}]}}`:                                false,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"deep":[[[[[[[7]]]]]]]}]}}`:                                 false,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"deep":[[[[[[7]]]]]]}]}}`:                                   true,
		"":           false,
		`{"result":`: false,
	} {
		if got := checkEntries(t, newEntries(), data); got != want {
			t.Errorf("%s: taken apart %v, want %v", data, got, want)
		}
	}
}

// TestEntriesAreReused: of a list in which some entries change, come, go or move, those
// that were there before are the same memory, and the others are not.
func TestEntriesAreReused(t *testing.T) {
	e, random := newEntries(), rand.New(rand.NewPCG(1, 2))
	list, version := []int{}, map[int]int{}
	for i := range 100 {
		list = append(list, i)
	}
	memory := map[string]*byte{} // of the list before
	for round := range 200 {
		page := []int{len(list), 30, 1}[round%3]
		read, known := 0, map[string]*byte{}
		for from := 0; from < len(list); from += page {
			to, cursor := min(from+page, len(list)), ""
			if to < len(list) {
				cursor = fmt.Sprintf(`,"nextCursor":"%d"`, to)
			}
			var entries []string
			for _, i := range list[from:to] {
				entries = append(entries, fmt.Sprintf(`{"name":"tool_%d","version":%d}`, i, version[i]))
			}
			m, ok := e.Decode(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"result":{"tools":[%s]%s}}`, round, strings.Join(entries, ", "), cursor))
			if !ok || !slices.Equal(entries, texts(m.List.Entries)) {
				t.Fatal(round, ok, m.List, entries)
			}
			for _, entry := range m.List.Entries {
				known[string(entry)] = &entry[0]
				if before := memory[string(entry)]; before == nil {
					continue
				} else if before != &entry[0] {
					read++
				}
			}
		}
		// Where all are somewhere else the first few of each page are read before that shows.
		if pages := (len(list) + page - 1) / page; page > 1 && read > 16*pages {
			t.Errorf("round %d: %d entries were read again that had not changed", round, read)
		}
		memory = known
		switch random.IntN(5) {
		case 0:
			version[list[random.IntN(len(list))]] = round
		case 1:
			at := random.IntN(len(list))
			list = slices.Delete(list, at, at+1)
		case 2:
			list = slices.Insert(list, random.IntN(len(list)), 1000+round)
		case 3:
			slices.Reverse(list)
		}
	}
}

func FuzzEntries(f *testing.F) {
	f.Add(`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b"}]}}`, `{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"a"},{"name":"c"}],"nextCursor":"x"}}`)
	f.Add(`{"result":{"prompts":[{}]},"id":1,"jsonrpc":"2.0"}`, `{"result":{"prompts":["{}",{}]},"id":1,"jsonrpc":"2.0"}`)
	f.Fuzz(func(t *testing.T, first, second string) {
		e := newEntries()
		checkEntries(t, e, first)
		checkEntries(t, e, second)
		checkEntries(t, e, first)
	})
}
