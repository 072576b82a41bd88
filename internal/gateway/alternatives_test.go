// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/jsonschema-go/jsonschema"
)

// drawn makes random schemas with lists of types, and values for them.
type drawn struct{ *rand.Rand }

func (d drawn) one(of ...string) string { return of[d.IntN(len(of))] }

// schema returns a schema whose keywords are right.
func (d drawn) schema(depth int) string {
	if depth == 0 || d.IntN(8) == 0 {
		return d.one(`true`, `false`, `{}`, `{"type":"null"}`, `{"const":"a"}`)
	}
	var types []string
	for _, i := range d.Perm(7)[:1+d.IntN(4)] {
		types = append(types, `"`+[]string{"string", "number", "integer", "boolean", "null", "array", "object"}[i]+`"`)
	}
	members := []string{`"type":[` + strings.Join(types, ",") + `]`}
	keyword := func(name, value string) {
		if d.IntN(4) == 0 {
			members = append(members, `"`+name+`":`+value)
		}
	}
	keyword("minLength", d.one("0", "1", "2"))
	keyword("minimum", d.one("0", "2"))
	keyword("maximum", d.one("1", "3"))
	keyword("minItems", "1")
	keyword("required", d.one(`["a"]`, `["b"]`, `[]`))
	keyword("enum", d.one(`["a",null]`, `[1,"b",[],{}]`, `[null]`, `[1.5,true,2]`))
	keyword("items", d.schema(depth-1))
	keyword("additionalProperties", d.schema(depth-1))
	keyword("not", d.schema(depth-1))
	keyword("properties", `{"a":`+d.schema(depth-1)+`,"b":`+d.schema(depth-1)+`}`)
	keyword("anyOf", `[`+d.schema(depth-1)+`,`+d.schema(depth-1)+`]`)
	return "{" + strings.Join(members, ",") + "}"
}

func (d drawn) value(depth int) string {
	switch n := d.IntN(10); {
	case n < 7 || depth == 0:
		return d.one(`"a"`, `""`, `"bb"`, `0`, `1`, `2`, `1.5`, `-1`, `true`, `false`, `null`, `[]`, `{}`)
	case n == 7:
		return `[` + d.value(depth-1) + `]`
	}
	return fmt.Sprintf(`{"a":%s,"b":%s}`, d.value(depth-1), d.value(depth-1))
}

// accepts reports whether a schema accepts the property p of a value.
func accepts(t *testing.T, schema Raw) func(value string) bool {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal(schema, &s); err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	return func(value string) bool {
		var v any
		if err := json.Unmarshal([]byte(`{"p":`+value+`}`), &v); err != nil {
			t.Fatal(err)
		}
		return resolved.Validate(v) == nil
	}
}

// TestPlainFormsMeanTheSame holds that lists of types and boolean schemas, written as
// models read them, accept the same values as before.
func TestPlainFormsMeanTheSame(t *testing.T) {
	d := drawn{rand.New(rand.NewPCG(1, 2))}
	rewritten := 0
	for range 500 {
		schema := Raw(`{"type":"object","properties":{"p":` + d.schema(3) + `}}`)
		var n notes
		plain := repairSchema(&n, schema, false)
		if n.repaired != nil || n.dropped != nil {
			t.Fatalf("%s was repaired: %v, %v", schema, n.repaired, n.dropped)
		}
		if same(plain, schema) {
			continue
		}
		rewritten++
		before, after := accepts(t, schema), accepts(t, plain)
		for range 20 {
			if v := d.value(2); before(v) != after(v) {
				t.Fatalf("%s is accepted by one only of\n%s\n%s", v, schema, plain)
			}
		}
	}
	if rewritten < 350 {
		t.Errorf("only %d schemas were rewritten", rewritten)
	}
}
