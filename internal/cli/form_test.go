// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

const everyField = `{"type":"object","properties":{
	"zeta":{"type":"string","title":"The first","description":"What it is","minLength":2,"maxLength":4},
	"alpha":{"type":"integer","minimum":1,"maximum":9,"default":5},
	"ratio":{"type":"number"},
	"agree":{"type":"boolean"},
	"plain":{"type":"string","enum":["red","green"]},
	"named":{"type":"string","enum":["r","g"],"enumNames":["Red","Green"]},
	"titled":{"type":"string","oneOf":[{"const":"2","title":"Two"},{"const":"1","title":"One"}]},
	"several":{"type":"array","minItems":1,"maxItems":2,"items":{"type":"string","enum":["a","b","c"]}},
	"pairs":{"type":"array","items":{"anyOf":[{"const":"x","title":"First"},{"const":"y","title":"Second"}]}},
	"digits":{"enum":[10,20]}
},"required":["zeta","plain"]}`

func fieldsOf(t *testing.T, schema string) map[string]*field {
	t.Helper()
	all, err := parseForm(jsonrpc.Raw(schema))
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]*field{}
	for i := range all {
		fields[all[i].name] = &all[i]
	}
	return fields
}

func TestFormKeepsOrder(t *testing.T) {
	all, err := parseForm(jsonrpc.Raw(everyField))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range all {
		names = append(names, f.name)
	}
	if diff := cmp.Diff([]string{"zeta", "alpha", "ratio", "agree", "plain", "named", "titled", "several", "pairs", "digits"}, names); diff != "" {
		t.Error(diff)
	}
	for _, empty := range []string{`{}`, `{"type":"object","properties":{}}`} {
		if all, err := parseForm(jsonrpc.Raw(empty)); err != nil || len(all) != 0 {
			t.Errorf("%s: %v, %v", empty, all, err)
		}
	}
}

// TestFieldValue has what a person types and the value that comes of it; wrong is
// what the answer to a wrong one says.
func TestFieldValue(t *testing.T) {
	fields := fieldsOf(t, everyField)
	for _, tc := range []struct{ field, typed, want, wrong string }{
		{"zeta", "abc", `"abc"`, ""},
		{"zeta", "12", `"12"`, ""},
		{"zeta", "a", "", "2 to 4 characters"},
		{"zeta", "äöüßé", "", "got 5 characters"},
		{"zeta", "", "", "2 to 4 characters"},
		{"alpha", "", "5", ""},
		{"alpha", "7", "7", ""},
		{"alpha", "7.0", "7.0", ""},
		{"alpha", "7.5", "", "whole number"},
		{"alpha", "10", "", "1 to 9"},
		{"alpha", "seven", "", "whole number"},
		{"alpha", "\"7\"", "", "whole number"},
		{"ratio", "1.5e3", "1.5e3", ""},
		{"ratio", "", "", ""},
		{"agree", "Y", "true", ""},
		{"agree", "no", "false", ""},
		{"agree", "perhaps", "", "yes or no"},
		{"plain", "2", `"green"`, ""},
		{"plain", "red", `"red"`, ""},
		{"plain", "RED", `"red"`, ""},
		{"plain", "blue", "", "none of the 2 choices"},
		{"plain", "", "", "none of the 2 choices"},
		{"plain", "0", "", "none of the 2 choices"},
		{"plain", "3", "", "none of the 2 choices"},
		{"named", "green", `"g"`, ""},
		{"titled", "2", `"2"`, ""}, // the value, not the place
		{"titled", "one", `"1"`, ""},
		{"several", "1, c", `["a","c"]`, ""},
		{"several", "a,a", `["a"]`, ""},
		{"several", "a,b,c", "", "1 to 2 of them"},
		{"several", ",", "", "1 to 2 of them"},
		{"several", "d", "", "none of the 3 choices"},
		{"pairs", "second,x", `["y","x"]`, ""},
		{"digits", "20", "20", ""},
		{"digits", "1", "10", ""},
	} {
		got, err := fields[tc.field].value(tc.typed)
		switch {
		case tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong)):
			t.Errorf("%s %q: %s, %v, want an error with %q", tc.field, tc.typed, got, err, tc.wrong)
		case tc.wrong == "" && (err != nil || string(got) != tc.want):
			t.Errorf("%s %q: %s, %v, want %s", tc.field, tc.typed, got, err, tc.want)
		}
	}
}

func TestFieldQuestion(t *testing.T) {
	fields := fieldsOf(t, everyField)
	for name, want := range map[string]string{
		"zeta":    "zeta – The first: What it is\ntext, 2 to 4 characters: ",
		"alpha":   "alpha\nwhole number, 1 to 9, Enter for 5: ",
		"agree":   "agree\nyes or no, Enter for none: ",
		"plain":   "plain\n  1  red\n  2  green\nnumber or value: ",
		"named":   "named\n  1  r  Red\n  2  g  Green\nnumber or value, Enter for none: ",
		"several": "several\n  1  a\n  2  b\n  3  c\nnumbers or values, separated by commas, 1 to 2 of them, Enter for none: ",
	} {
		if got := fields[name].question(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
