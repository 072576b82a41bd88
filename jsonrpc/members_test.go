// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"strings"
	"testing"
)

func TestGet(t *testing.T) {
	tests := []struct{ obj, name, want string }{
		{`{}`, "a", ""},
		{``, "a", ""},
		{`[{"a":1}]`, "a", ""},
		{`{"a":1}`, "a", "1"},
		{` { "a" : 1 , "b" : [1, {"c":2}] } `, "b", `[1, {"c":2}]`},
		{`{"x":{"a":1},"a":2}`, "a", "2"},
		{`{"x":"\"a\":1}","a":"}"}`, "a", `"}"`},
		{`{"x":"\\","a":null}`, "a", "null"},
		{`{"\u0061":true}`, "a", "true"},
		{`{"a\"b":-1.5e3}`, `a"b`, "-1.5e3"},
		{`{"":0}`, "", "0"},
		{`{"ab":0}`, "a", ""},
	}
	for _, tt := range tests {
		got, ok := Get(Raw(tt.obj), tt.name)
		if string(got) != tt.want || ok != (tt.want != "") {
			t.Errorf("Get(%s, %q) = %s, %v; want %s", tt.obj, tt.name, got, ok, tt.want)
		}
	}
}

func TestSet(t *testing.T) {
	tests := []struct{ obj, name, value, want string }{
		{``, "a", "1", `{"a":1}`},
		{`{}`, "a", "1", `{"a":1}`},
		{` { } `, "a", "1", ` { "a":1} `},
		{`{"b":{"a":0}}`, "a", "1", `{"b":{"a":0},"a":1}`},
		{`{ "a" : {"x":[]} , "b":2}`, "a", "1", `{ "a" : 1 , "b":2}`},
		{`{"\u0061":3}`, "a", `"y"`, `{"\u0061":"y"}`},
		{`{}`, "q\"", "1", `{"q\"":1}`},
	}
	for _, tt := range tests {
		obj := Raw(tt.obj)
		if got := Set(obj, tt.name, Raw(tt.value)); string(got) != tt.want {
			t.Errorf("Set(%s, %q, %s) = %s; want %s", tt.obj, tt.name, tt.value, got, tt.want)
		}
		if string(obj) != tt.obj {
			t.Errorf("Set changed its argument %s to %s", tt.obj, obj)
		}
	}
}

func TestDelete(t *testing.T) {
	tests := []struct{ obj, names, want string }{
		{`{}`, "a", `{}`},
		{`{"b":1}`, "a", `{"b":1}`},
		{`{"a":1}`, "a", `{}`},
		{`{"a":1,"b":2}`, "a", `{"b":2}`},
		{`{"b":2,"a":1}`, "a", `{"b":2}`},
		{`{"b":2,"a":{"b":[1,2]},"c":3}`, "a", `{"b":2,"c":3}`},
		{`{"a":1,"b":2,"c":3}`, "a b", `{"c":3}`},
		{`{"a":1,"b":2,"c":3}`, "a c", `{"b":2}`},
		{`{"a":1,"b":2,"c":3}`, "a b c", `{}`},
		{` { "a" : 1 , "b" : 2 } `, "a", ` {   "b" : 2 } `},
		{` { "a" : 1 , "b" : 2 } `, "b", ` { "a" : 1  } `},
	}
	for _, tt := range tests {
		obj := Raw(tt.obj)
		if got := Delete(obj, strings.Fields(tt.names)...); string(got) != tt.want {
			t.Errorf("Delete(%s, %s) = %q; want %q", tt.obj, tt.names, got, tt.want)
		}
		if string(obj) != tt.obj {
			t.Errorf("Delete changed its argument %s to %s", tt.obj, obj)
		}
	}
}

func TestMembersAndElements(t *testing.T) {
	var got []string
	for name, value := range Members(Raw(`{"a":1, "b\n" : [2] }`)) {
		got = append(got, string(name)+"="+string(value))
	}
	for value := range Elements(Raw(`[ 1 , "x,]" ,{"a":[]}, null]`)) {
		got = append(got, string(value))
	}
	want := `"a"=1 "b\n"=[2] 1 "x,]" {"a":[]} null`
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got %s; want %s", s, want)
	}
	for range Members(Raw(`{"a":1,"b":2}`)) {
		break
	}
	for range Elements(Raw(`{"a":1}`)) {
		t.Error("an object has no elements")
	}
}

func TestUnquote(t *testing.T) {
	for raw, want := range map[string]string{`"abc"`: "abc", `"a\n\u00e9"`: "a\né", `""`: ""} {
		if got, ok := Unquote(Raw(raw)); got != want || !ok {
			t.Errorf("Unquote(%s) = %q, %v", raw, got, ok)
		}
	}
	for _, raw := range []string{``, `"`, `1`, `null`} {
		if got, ok := Unquote(Raw(raw)); ok {
			t.Errorf("Unquote(%s) = %q", raw, got)
		}
	}
}

// FuzzMembers checks the scanner against the decoder on valid objects, and that
// nothing else makes it panic.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{"a":1,"b":[{"a":2}]}`, ` { "\u0061" : "}" } `, `{`, `{"a"`, `{"a":`, `[,`, `{"a":1,,}`, `{"a":"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		obj := Raw(data)
		set := Set(obj, "a", Raw(`{"new":1}`))
		deleted := Delete(obj, "a", "b")
		Get(obj, "a")
		if !obj.IsValid() || obj.Kind() != '{' {
			return
		}
		if got, ok := Get(set, "a"); !ok || string(got) != `{"new":1}` {
			t.Errorf("Get after Set on %q: %q, %v", data, got, ok)
		}
		if !set.IsValid() {
			t.Errorf("Set on %q: %q is not valid", data, set)
		}
		if !deleted.IsValid() {
			t.Errorf("Delete on %q: %q is not valid", data, deleted)
		}
		for _, name := range []string{"a", "b"} {
			if _, ok := Get(deleted, name); ok {
				t.Errorf("Delete on %q left %q in %q", data, name, deleted)
			}
		}
		for _, value := range Members(obj) {
			if !value.IsValid() {
				t.Errorf("member %q of %q is not a value", value, data)
			}
		}
	})
}

var memberSample = Raw(`{"name":"echo","arguments":{"text":"` + strings.Repeat("x", 200) +
	`","n":42},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","progressToken":7}}`)

func BenchmarkGet(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Get(memberSample, "_meta")
	}
}

func BenchmarkSet(b *testing.B) {
	value := Raw(`"other"`)
	b.ReportAllocs()
	for b.Loop() {
		Set(memberSample, "name", value)
	}
}

func BenchmarkDelete(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Delete(memberSample, "_meta")
	}
}
