// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"strings"
	"testing"
)

// edits reads "a=1 b=" as: a gets 1, b is taken out.
func edits(text string) (list []Edit) {
	for _, field := range strings.Fields(text) {
		name, value, _ := strings.Cut(field, "=")
		e := Edit{Name: name}
		if value != "" {
			e.Value = Raw(value)
		}
		list = append(list, e)
	}
	return list
}

func TestAppendEdited(t *testing.T) {
	tests := []struct{ obj, edits, want string }{
		{``, "", `{}`},
		{``, "a=1 b= c=2", `{"a":1,"c":2}`},
		{`{}`, "a=", `{}`},
		{`{"a":1}`, "", `{"a":1}`},
		{`{"a":1,"b":2}`, "a=3", `{"a":3,"b":2}`},
		{`{"a":1,"b":2}`, "b=3 a=4", `{"a":4,"b":3}`},
		{`{"a":1,"b":2}`, "c=3", `{"a":1,"b":2,"c":3}`},
		{`{"a":1,"b":2}`, "a= c=3", `{"b":2,"c":3}`},
		{`{"a":1,"b":2}`, "a= b= c=3", `{"c":3}`},
		{`{"a":1,"b":2,"c":3}`, "a= b=", `{"c":3}`},
		{`{"a":1,"b":2,"c":3}`, "a= c=", `{"b":2}`},
		{`{"a":1,"b":2,"c":3}`, "b= c=", `{"a":1}`},
		{`{"a":1,"b":2,"c":3}`, "a= b=4", `{"b":4,"c":3}`},
		{`{"\u0061":1,"b":{"a":2}}`, "a=3", `{"\u0061":3,"b":{"a":2}}`},
		{` { "a" : 1 , "b" : 2 } `, "a=", ` {  "b" : 2 } `},
		{` { "a" : 1 , "b" : 2 } `, "b=", ` { "a" : 1  } `},
		{` { "a" : 1 , "b" : 2 } `, "a= b= c=3", ` {  "c":3} `},
		{`{"b":2}`, `q"=1`, `{"b":2,"q\"":1}`},
	}
	for _, tt := range tests {
		obj := Raw(tt.obj)
		if got := AppendEdited([]byte("x"), obj, edits(tt.edits)...); string(got) != "x"+tt.want {
			t.Errorf("%s with %s = %q; want %q", tt.obj, tt.edits, got[1:], tt.want)
		}
		if string(obj) != tt.obj {
			t.Errorf("edits %s changed their object %s to %s", tt.edits, tt.obj, obj)
		}
	}
}

// FuzzAppendEdited holds it to what Set and Delete do one after the other.
func FuzzAppendEdited(f *testing.F) {
	for _, seed := range []string{`{"a":1,"b":[{"a":2}]}`, ` { "\u0061" : "}" } `, `{"c":1,"b":2,"a":3}`, `{`, `{"a":"`, `{"a":1}x`, `[1]`} {
		f.Add([]byte(seed), "a=1 b= c=2")
	}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		obj, list := Raw(data), edits(text)
		names := map[string]bool{}
		for _, e := range list {
			if names[e.Name] || e.Value != nil && !e.Value.IsValid() {
				return
			}
			names[e.Name] = true
		}
		if len(list) > maxEdits {
			return
		}
		got := Raw(AppendEdited(nil, obj, list...))
		if !obj.IsValid() || obj.Kind() != '{' {
			return
		}
		want := obj
		for _, e := range list {
			if e.Value == nil {
				want = Delete(want, e.Name)
			}
		}
		for _, e := range list {
			if e.Value != nil {
				want = Set(want, e.Name, e.Value)
			}
		}
		for _, v := range []*Raw{&got, &want} {
			if err := v.Compact(); err != nil {
				t.Fatalf("%q with %q: %v", data, text, err)
			}
		}
		if string(got) != string(want) {
			t.Errorf("%q with %q = %q; want %q", data, text, got, want)
		}
	})
}

func BenchmarkAppendEdited(b *testing.B) {
	value := Raw(`"other"`)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendEdited(buf[:0], memberSample, Edit{"name", value}, Edit{"task", nil}, Edit{"_meta", nil})
	}
}

// BenchmarkEditsApart makes the same changes one after the other.
func BenchmarkEditsApart(b *testing.B) {
	value := Raw(`"other"`)
	b.ReportAllocs()
	for b.Loop() {
		Delete(Delete(Set(memberSample, "name", value), "task"), "_meta")
	}
}
