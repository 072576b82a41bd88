// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// oddEntries are entries of lists as servers of the field send them, with something
// wrong that must not cost clients any other entry. Those whose key begins with "drop"
// cannot be used.
var oddEntries = map[string][]string{
	"tools": {
		`{"name":"fine","title":"Fine","icons":[{"src":"https://a/i.png","sizes":["48x48"],"theme":"dark"}],"annotations":{"readOnlyHint":true},"execution":{"taskSupport":"optional"},"inputSchema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},"outputSchema":{"type":"object"},"_meta":{"a":null}}`,
		`{"name":"nulls","title":null,"description":null,"icons":null,"annotations":null,"execution":null,"outputSchema":null,"_meta":null,"inputSchema":{"type":"object","properties":null,"required":null}}`,
		`{"name":"no_schema"}`,
		`{"name":"null_schema","inputSchema":null}`,
		`{"name":"list_schema","inputSchema":[]}`,
		`{"name":"untyped","inputSchema":{"properties":{"a":{}}}}`,
		`{"name":"wrong_root","inputSchema":{"type":"string"}}`,
		`{"name":"properties_list","inputSchema":{"type":"object","properties":[]}}`,
		`{"name":"nested_list","inputSchema":{"type":"object","properties":{"a":{"type":"object","properties":[]}}}}`,
		`{"name":"property_null","inputSchema":{"type":"object","properties":{"a":null,"b":true,"c":false,"d":"string","e":[]}}}`,
		`{"name":"required_null","inputSchema":{"type":"object","required":null}}`,
		`{"name":"required_text","inputSchema":{"type":"object","required":"a"}}`,
		`{"name":"required_mixed","inputSchema":{"type":"object","required":["a",1,null]}}`,
		`{"name":"required_draft3","inputSchema":{"type":"object","required":true,"properties":{"a":{"type":"string","required":true}}}}`,
		`{"name":"schema_number","inputSchema":{"$schema":7,"type":"object"}}`,
		`{"name":"title_number","title":7,"description":8,"inputSchema":{"type":"object"}}`,
		`{"name":"title_object","title":{"en":"T"},"description":["d"],"inputSchema":{"type":"object"}}`,
		`{"name":"hint_title_null","annotations":{"title":null},"inputSchema":{"type":"object"}}`,
		`{"name":"hint_null","annotations":{"readOnlyHint":null},"inputSchema":{"type":"object"}}`,
		`{"name":"hint_text","annotations":{"readOnlyHint":"true","destructiveHint":"no"},"inputSchema":{"type":"object"}}`,
		`{"name":"hint_number","annotations":{"idempotentHint":1,"openWorldHint":2},"inputSchema":{"type":"object"}}`,
		`{"name":"hints_list","annotations":[],"inputSchema":{"type":"object"}}`,
		`{"name":"hints_text","annotations":"read-only","inputSchema":{"type":"object"}}`,
		`{"name":"icon_url","icons":[{"url":"x"}],"inputSchema":{"type":"object"}}`,
		`{"name":"icon_text","icons":["https://a/i.png",null,7],"inputSchema":{"type":"object"}}`,
		`{"name":"icon_object","icons":{"src":"https://a/i.png"},"inputSchema":{"type":"object"}}`,
		`{"name":"icon_parts","icons":[{"src":"a","sizes":"48x48","mimeType":null,"theme":"blue"},{"src":null},{"src":"b","sizes":[48]}],"inputSchema":{"type":"object"}}`,
		`{"name":"icons_php","icons":{},"inputSchema":{"type":"object"}}`,
		`{"name":"task_maybe","execution":{"taskSupport":"maybe"},"inputSchema":{"type":"object"}}`,
		`{"name":"task_flag","execution":{"taskSupport":true},"inputSchema":{"type":"object"}}`,
		`{"name":"execution_list","execution":[],"inputSchema":{"type":"object"}}`,
		`{"name":"meta_list","_meta":[],"inputSchema":{"type":"object"}}`,
		`{"name":"meta_text","_meta":"m","inputSchema":{"type":"object"}}`,
		`{"name":"out_false","inputSchema":{"type":"object"},"outputSchema":false}`,
		`{"name":"out_list","inputSchema":{"type":"object"},"outputSchema":[]}`,
		`{"name":"out_array","inputSchema":{"type":"object"},"outputSchema":{"type":"array"}}`,
		`{"name":"out_properties","inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":[],"required":{}}}`,
		`{"name":"out_type","inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":{"a":{"type":"float"},"b":{"type":["str","None"]},"c":{"type":null},"d":{"type":7}}}}`,
		`{"name":"out_required","inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":{"a":{"type":"string","required":true}}}}`,
		`{"name":"out_numbers","inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":{"a":{"minimum":"3","maximum":null},"b":{"minimum":1,"exclusiveMinimum":true},"c":{"minLength":null,"maxItems":"2"},"d":{"multipleOf":0}}}}`,
		`{"name":"out_lists","inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":{"a":{"enum":[]},"b":{"enum":"x"},"c":{"anyOf":[]},"d":{"anyOf":null},"e":{"allOf":{"type":"string"}},"f":{"items":[]},"g":{"items":null},"h":{"oneOf":[null,"string"]}}}}`,
		`{"name":"out_pattern","inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":{"a":{"type":"string","pattern":"(?P<y>\\d+)\\Z"},"b":{"pattern":null}},"patternProperties":{"\\A_":{}}}}`,
		`{"name":"out_id","inputSchema":{"type":"object"},"outputSchema":{"id":"#o","type":"object","properties":{"a":{"id":"x","type":"object"}}}}`,
		`{"name":"out_same_id","inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":{"a":{"$id":"urn:same","type":"string"}}}}`,
		`{"name":"out_same_id_2","inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":{"a":{"$id":"urn:same","type":"number"}}}}`,
		`{"name":"out_nullable","inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":{"a":{"nullable":true,"anyOf":[{"type":"string"}]},"b":{"type":["string","null"],"nullable":false},"c":{"nullable":"yes"}}}}`,
		`{"name":"out_ref","inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":{"a":{"$ref":"#/nowhere"},"b":{"$ref":null},"c":{"$ref":"https://a/b.json"}}}}`,
		`{"name":"out_words","inputSchema":{"type":"object"},"outputSchema":{"$schema":null,"$id":7,"type":"object","properties":{"a":{"title":null,"format":null,"description":1,"additionalProperties":null,"not":null,"uniqueItems":"yes"}},"$defs":[],"dependencies":{"a":null}}}`,
		`{"name":"out_draft","inputSchema":{"type":"object"},"outputSchema":{"$schema":"http://json-schema.org/draft-04/schema#","type":"object"}}`,
		`{"name":"` + strings.Repeat("long_", 20) + `","inputSchema":{"type":"object"}}`,
		`{"name":"two words é","inputSchema":{"type":"object"}}`,
		`{"name":"fine","inputSchema":{"type":"object"}}`,
		`{"title":"drop"}`, `{"name":null,"inputSchema":{"type":"object"}}`, `{"name":"","inputSchema":{"type":"object"}}`, `"drop"`, `null`, `7`, `[]`,
		`{"name":"drop_header","inputSchema":{"type":"object","properties":{"a":{"type":"object","x-mcp-header":"A"}}}}`,
	},
	"prompts": {
		`{"name":"fine","arguments":[{"name":"a","description":"A","required":true}]}`,
		`{"name":"nulls","title":null,"description":null,"arguments":null,"icons":null,"_meta":null}`,
		`{"name":"required_text","arguments":[{"name":"a","required":"true"},{"name":"b","required":null},{"name":"c","required":0}]}`,
		`{"name":"nameless","arguments":[{"description":"x"},{"name":null},{"name":7},"city",null]}`,
		`{"name":"arguments_object","arguments":{"a":{"description":"A"}}}`,
		`{"name":"arguments_php","arguments":{}}`,
		`{"name":"arguments_text","arguments":"a"}`,
		`{"name":"words","title":7,"description":["x"],"arguments":[{"name":"a","title":null,"description":{}}]}`,
		`{"description":"drop"}`, `null`,
	},
	"resources": {
		`{"uri":"odd://fine","name":"fine","size":12,"annotations":{"audience":["user"],"priority":0.5,"lastModified":"2025-01-12T15:00:58Z"}}`,
		`{"uri":"odd://nameless"}`,
		`{"uri":"odd://nulls","name":null,"title":null,"description":null,"mimeType":null,"size":null,"annotations":null,"icons":null,"_meta":null}`,
		`{"uri":"odd://audience","name":"r","annotations":{"audience":"user"}}`,
		`{"uri":"odd://audience_odd","name":"r","annotations":{"audience":["user","everyone",null]}}`,
		`{"uri":"odd://audience_none","name":"r","annotations":{"audience":["everyone"]}}`,
		`{"uri":"odd://priority","name":"r","annotations":{"priority":"high"}}`,
		`{"uri":"odd://priority_text","name":"r","annotations":{"priority":"0.5"}}`,
		`{"uri":"odd://priority_out","name":"r","annotations":{"priority":7}}`,
		`{"uri":"odd://modified","name":"r","annotations":{"lastModified":"yesterday"}}`,
		`{"uri":"odd://modified_date","name":"r","annotations":{"lastModified":"2025-01-12"}}`,
		`{"uri":"odd://modified_local","name":"r","annotations":{"lastModified":"2025-01-12T15:00:58.123456"}}`,
		`{"uri":"odd://modified_minutes","name":"r","annotations":{"lastModified":"2025-01-12T15:00Z"}}`,
		`{"uri":"odd://modified_zone","name":"r","annotations":{"lastModified":"2025-01-12T15:00:58+01:60"}}`,
		`{"uri":"odd://modified_number","name":"r","annotations":{"lastModified":1736694058}}`,
		`{"uri":"odd://size_text","name":"r","size":"12"}`,
		`{"uri":"odd://size_half","name":"r","size":1.5}`,
		`{"uri":"odd://size_float","name":"r","size":1024.0}`,
		`{"uri":"odd://size_exp","name":"r","size":1e3}`,
		`{"uri":"odd://size_huge","name":"r","size":1e30}`,
		`{"uri":"odd://words","name":7,"mimeType":["text/plain"],"annotations":[],"icons":[{}]}`,
		`{"name":"drop"}`, `{"uri":null,"name":"drop"}`, `{"uri":"drop\u0007","name":"r"}`,
	},
	"resourceTemplates": {
		`{"uriTemplate":"odd://{fine}","name":"fine"}`,
		`{"uriTemplate":"odd://nameless/{a}"}`,
		`{"uriTemplate":"odd://nulls/{a}","name":null,"title":null,"description":null,"mimeType":null,"annotations":null,"icons":null,"_meta":null}`,
		`{"uriTemplate":"odd://odd/{a}","name":"t","annotations":{"audience":"user","priority":-1,"lastModified":null},"icons":"i","_meta":[]}`,
		`{"uriTemplate":"drop://{a","name":"t"}`, `{"name":"drop"}`,
	},
}

// keys are the members that identify the entries, and steps the ones that list them.
var keys = map[string][2]string{
	"tools": {"name", "tools"}, "prompts": {"name", "prompts"}, "resources": {"uri", "resources"}, "resourceTemplates": {"uriTemplate", "templates"},
}

// usable returns the keys of the odd entries that clients must see.
func usable(list string) []string {
	var all []string
	for _, entry := range oddEntries[list] {
		var members map[string]jsontext.Value
		_ = json.Unmarshal([]byte(entry), &members)
		var key string
		_ = json.Unmarshal(members[keys[list][0]], &key)
		if key != "" && !strings.HasPrefix(key, "drop") && !slices.Contains(all, key) {
			all = append(all, key)
		}
	}
	return all
}

// oddGateway starts the gateway with a server that lists the odd entries and one that lists a good one of each kind.
func oddGateway(t *testing.T) *gateway {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, scripts); err != nil {
		t.Fatal(err)
	}
	server := func(name, lists string) map[string]any {
		file := filepath.Join(dir, name+".json")
		if err := os.WriteFile(file, []byte(lists), 0o644); err != nil {
			t.Fatal(err)
		}
		return map[string]any{"command": packages(t).Node, "args": []string{filepath.Join(dir, "js", "odd.mjs"), file}}
	}
	var odd []string
	for list, entries := range oddEntries {
		odd = append(odd, `"`+list+`":[`+strings.Join(entries, ",")+`]`)
	}
	config, err := json.Marshal(map[string]any{"mcpServers": map[string]any{
		"odd": server("odd", "{"+strings.Join(odd, ",")+"}"),
		"good": server("good", `{"tools":[{"name":"t","inputSchema":{"type":"object"}}],"prompts":[{"name":"p"}],
			"resources":[{"uri":"good://r","name":"r"}],"resourceTemplates":[{"uriTemplate":"good://{t}","name":"t"}]}`),
	}})
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{config: filepath.Join(dir, "mcp.json"), data: filepath.Join(dir, "data")}
	if err := os.WriteFile(g.config, config, 0o644); err != nil {
		t.Fatal(err)
	}
	g.start(t, freeAddress(t))
	return g
}

// TestOddEntriesHideNoOther holds that every official client sees every entry that can be used, whatever is wrong with
// it or with others of its list, at the address of all servers and at the odd one's own, and that tools can be called.
func TestOddEntriesHideNoOther(t *testing.T) {
	g := oddGateway(t)
	eachDialect(t, func(t *testing.T, d dialect) {
		p, _ := dial(t, d, g.url("/mcp"), nil)
		awaitTools(t, p, "good__t", "odd__fine")
		alone, _ := dial(t, d, g.url("/servers/odd/mcp"), nil)
		for list, key := range keys {
			step := step{"op": key[1]}
			common, own := p.do(step).names(t), alone.do(step).names(t)
			want := usable(list)
			if len(own) != len(want) || len(common) != len(want)+1 {
				t.Errorf("%s: %d entries at the server's address and %d at the common one, want %d and one more", list, len(own), len(common), len(want))
			}
			for _, name := range want {
				if len(name) > 64 || key[0] == "name" && strings.ContainsAny(name, " é") {
					continue // has another name
				}
				public := name
				if key[0] == "name" {
					public = "odd__" + name
				}
				if !slices.Contains(own, name) || !slices.Contains(common, public) {
					t.Errorf("%s: %q is missing", list, name)
				}
			}
		}
		for _, tool := range []string{"good__t", "odd__nulls", "odd__out_type"} {
			if got := p.do(step{"op": "call", "name": tool, "args": step{}}).text(t); !strings.HasSuffix(tool, "__"+got) {
				t.Errorf("%s says %q", tool, got)
			}
		}
	})
}
