// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// FuzzClean feeds lists to the cleaner and checks what comes out: valid entries
// under distinct names that clients accept, with usable schemas.
func FuzzClean(f *testing.F) {
	f.Add(0, `[{"name":"a","inputSchema":{"type":"object"}},{"name":"a\u0000"},{"name":"a "},7,null]`)
	f.Add(0, `[{"name":"r","inputSchema":{"$ref":"#","$defs":{"a":{"$ref":"http://x"}}}}]`)
	f.Add(1, `[{"name":"p","arguments":null,"_meta":7}]`)
	f.Add(2, `[{"uri":"x:1"},{"uri":"x:1"},{"uri":"\u0007"}]`)
	f.Add(3, `[{"uriTemplate":"x:{a}"},{"uriTemplate":"{"}]`)
	f.Add(0, `[{"name":"n","icons":[{"src":1},"i",null],"annotations":{"readOnlyHint":"true"},"inputSchema":{"type":"object","properties":{"a":{"type":["str",null,"null"],"enum":[1,"x",null],"minLength":"1"}},"required":"a"}}]`)
	f.Add(0, `[{"name":"o","outputSchema":{"$id":"a","properties":{"b":{"id":"c","pattern":"(?P<x>a)","required":true,"exclusiveMinimum":true,"minimum":0}},"anyOf":{"not":true},"items":[false]}}]`)
	f.Add(2, `[{"uri":"x:1","size":1e3,"annotations":{"priority":"0.5","audience":"user","lastModified":"2025-01-12T15:00Z"}}]`)
	f.Fuzz(func(t *testing.T, which int, array string) {
		p := part(max(which, 0) % numLists)
		if !Raw(array).IsValid() || len(array) > 10_000 {
			return
		}
		var items []Raw
		for item := range jsonrpc.Elements(Raw(array)) {
			items = append(items, item)
		}
		pick := &Selection{Rename: map[string]string{"a": "b"}, Describe: map[string]string{"a": "A"}}
		c := cleaner{part: p, pick: pick, filter: &filter{}, log: slog.New(slog.DiscardHandler)}
		made := c.each(items)
		entries := c.list(made)
		later := cleaner{part: p, pick: pick, filter: &filter{}, log: slog.New(slog.DiscardHandler), known: newRecall(made)}
		for i, e := range later.all(items) {
			if e.name != entries[i].name || string(e.item) != string(entries[i].item) || len(later.faults) != len(c.faults) || len(later.hidden) != len(c.hidden) {
				t.Fatalf("%s is cleaned differently when it is known", items)
			}
		}
		taken := map[string]bool{}
		for _, e := range entries {
			if !e.item.IsValid() || text(e.item, lists[p].key) != e.name {
				t.Fatalf("entry %q is %s", e.name, e.item)
			}
			if taken[e.name] || !display.Plain(e.name) || lists[p].renamed && len([]rune(e.name)) > maxName {
				t.Fatalf("name %q", e.name)
			}
			taken[e.name] = true
			again := cleaner{part: p, pick: &Selection{}, filter: &filter{}, log: slog.New(slog.DiscardHandler)}
			if same := again.all([]Raw{e.item}); len(same) != 1 || string(same[0].item) != string(e.item) || again.faults != nil {
				t.Fatalf("%s is repaired twice: %v", e.item, again.faults)
			}
			if p != toolList {
				continue
			}
			schema, _ := jsonrpc.Get(e.item, "inputSchema")
			if text(schema, "type") != "object" {
				t.Fatalf("schema %s", schema)
			}
			if _, err := mcp.HeaderParams(schema); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzRepairRefs checks that a repaired schema has nothing more to repair.
func FuzzRepairRefs(f *testing.F) {
	f.Add(`{"$ref":"#"}`)
	f.Add(`{"properties":{"a":{"$ref":"#/properties/a"},"b":{"$ref":"https://x"}}}`)
	f.Add(`{"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"not":{"$dynamicRef":"#a"}},"c":{"$anchor":"a","if":{"$ref":"#/$defs/a"}}}}`)
	f.Add(`{"$id":"x","$ref":"x#/a","a":{"$id":"y","$ref":"#/b","b":{"$ref":"y"}}}`)
	f.Add(`{"a~b/c":{"$ref":"#/a~0b~1c/d%20e"},"d e":true}`)
	f.Fuzz(func(t *testing.T, schema string) {
		if !Raw(schema).IsValid() {
			return
		}
		out, removed, err := repairRefs(Raw(schema))
		if err != nil {
			return
		}
		if !out.IsValid() || len(out) > len(schema) || removed == nil && string(out) != schema {
			t.Fatalf("%s became %s", schema, out)
		}
		if _, again, err := repairRefs(out); err != nil || again != nil {
			t.Fatalf("%s is repaired twice: %v, %v", out, again, err)
		}
	})
}

// FuzzMatch compares the matcher with a regular expression.
func FuzzMatch(f *testing.F) {
	f.Add("a*b?c", "aXXbYc")
	f.Add("**a*", "bab")
	f.Add("?", "ü")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 50 || !utf8.ValidString(pattern) || !utf8.ValidString(name) {
			return
		}
		quoted := strings.NewReplacer(`\*`, `(?s:.*)`, `\?`, `(?s:.)`).Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile(`\A` + quoted + `\z`).MatchString(name)
		if got := match(pattern, name); got != want {
			t.Errorf("match(%q, %q) = %t", pattern, name, got)
		}
	})
}

func TestSchemaBounds(t *testing.T) {
	deep := `{"$ref":"x"` + strings.Repeat(`,"not":{"a":1`, 200) + strings.Repeat("}", 201)
	wide := `{"$ref":"x","allOf":[{}` + strings.Repeat(`,{}`, maxSchemaNodes) + `]}`
	long := `{"$ref":"x","` + strings.Repeat("k", 10_000) + `":[{}` + strings.Repeat(`,{}`, 5000) + `]}`
	for name, schema := range map[string]string{"deep": deep, "wide": wide, "long": long} {
		if !Raw(schema).IsValid() {
			t.Fatal(name)
		}
		if _, _, err := repairRefs(Raw(schema)); err == nil {
			t.Errorf("a %s schema was taken", name)
		}
	}
}
