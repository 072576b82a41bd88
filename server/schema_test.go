// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// TestShapeAdmitsOnlyWhatTheSchemaDoes holds the quick check to the library:
// whatever a shape admits, the full validation accepts. It also counts how
// often the quick check sufficed, lest it never say yes.
func TestShapeAdmitsOnlyWhatTheSchemaDoes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	admitted, valid := 0, 0
	for range 4_000 {
		s, err := parseSchema(Raw(randomSchema(rnd, 3)))
		if err != nil {
			t.Fatal(err)
		}
		value := Raw(randomValue(rnd, s.raw, 3))
		var v any
		if err := json.Unmarshal(value, &v); err != nil {
			t.Fatalf("%s: %v", value, err)
		}
		err = s.resolved.Validate(v)
		if err == nil {
			valid++
		}
		if s.shape.admits(value) {
			admitted++
			if err != nil {
				t.Fatalf("the shape admits %s, which the schema %s refuses: %v", value, s.raw, err)
			}
		}
	}
	if valid < 400 || admitted < valid/3 {
		t.Errorf("of %d valid values the quick check admitted %d; the test or the check is useless", valid, admitted)
	}
	t.Logf("%d valid, %d admitted", valid, admitted)
}

// randomSchema returns a schema that shapes can mostly express.
func randomSchema(rnd *rand.Rand, depth int) string {
	kinds := 6
	if depth > 0 {
		kinds = 9
	}
	switch rnd.IntN(kinds) {
	case 0:
		return `{"type":"string","description":"d"}`
	case 1:
		return `{"type":"boolean"}`
	case 2:
		return `{"type":["null","integer"],"minimum":0}`
	case 3:
		return `{"type":"number"}`
	case 4:
		return []string{`true`, `{"type":["string","number"]}`, `{"enum":["a",1]}`, `{"type":"string","minLength":2}`, `{"type":"integer","maximum":3}`}[rnd.IntN(5)]
	case 5:
		return `{"type":"integer"}`
	case 6:
		return `{"type":["null","array"],"items":` + randomSchema(rnd, depth-1) + `}`
	}
	props, required := []string{}, []string{}
	for _, name := range []string{"a", "b", "c"} {
		if rnd.IntN(3) > 0 {
			props = append(props, fmt.Sprintf("%q:%s", name, randomSchema(rnd, depth-1)))
		}
		if rnd.IntN(4) == 0 {
			required = append(required, fmt.Sprintf("%q", name))
		}
	}
	closed := []string{"", `,"additionalProperties":false`, `,"additionalProperties":{"type":"string"}`}[rnd.IntN(3)]
	return `{"type":"object","properties":{` + strings.Join(props, ",") + `},"required":[` + strings.Join(required, ",") + `]` + closed + `}`
}

// randomValue returns a value that mostly fits the schema.
func randomValue(rnd *rand.Rand, schema Raw, depth int) string {
	var s struct {
		Type       any            `json:"type"`
		Items      Raw            `json:"items"`
		Properties map[string]Raw `json:"properties"`
	}
	if rnd.IntN(12) == 0 || schema.Kind() != '{' || json.Unmarshal(schema, &s) != nil {
		return []string{`null`, `1`, `-1`, `1.0`, `1e3`, `"x"`, `true`, `[]`, `{}`, `[1,"a"]`, `{"a":1}`, `{"\u0061":"x"}`, `1e300`}[rnd.IntN(13)]
	}
	kind := fmt.Sprint(s.Type)
	switch {
	case strings.Contains(kind, "object"):
		members := []string{}
		for _, name := range []string{"a", "b", "c"} {
			if p, ok := s.Properties[name]; ok && rnd.IntN(5) > 0 {
				members = append(members, fmt.Sprintf("%q:%s", name, randomValue(rnd, p, depth-1)))
			}
		}
		if rnd.IntN(6) == 0 {
			members = append(members, `"d":"x"`)
		}
		return "{" + strings.Join(members, " , ") + "}"
	case strings.Contains(kind, "array"):
		elements := []string{}
		for range rnd.IntN(3) {
			elements = append(elements, randomValue(rnd, s.Items, depth-1))
		}
		return "[" + strings.Join(elements, ",") + "]"
	case strings.Contains(kind, "string"):
		return []string{`""`, `"a\"b"`, `"longer text"`}[rnd.IntN(3)]
	case strings.Contains(kind, "boolean"):
		return "false"
	case strings.Contains(kind, "number"):
		return []string{"1", "-2.5", "3e2", "0"}[rnd.IntN(4)]
	case strings.Contains(kind, "integer"):
		return []string{"0", "7", "-3", "123456789012345", "2.0"}[rnd.IntN(5)]
	}
	return `"a"`
}

func mustSchema[T any](t *testing.T) *schema {
	t.Helper()
	s, err := schemaFor(reflect.TypeFor[T](), false)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestInferredSchemasAreSimple(t *testing.T) {
	type inner struct {
		Names []string          `json:"names"`
		Extra map[string]string `json:"extra,omitzero"`
		Any   Raw               `json:"any,omitzero"`
		Bytes []byte            `json:"bytes,omitzero"`
	}
	s, err := formSchema(cityForm{})
	if err != nil || s.shape != nil {
		t.Errorf("formSchema = %+v, %v; an enum is beyond a shape", s, err)
	}
	want(t, fmt.Sprint(mustSchema[addIn](t).shape != nil, mustSchema[inner](t).shape != nil), "true false")
	want(t, string(mustSchema[inner](t).raw), `{"type":"object","properties":{"names":{"type":"array","items":{"type":"string"}},`+
		`"extra":{"type":"object","additionalProperties":{"type":"string"}},"any":{},"bytes":{"type":"string","contentEncoding":"base64"}},`+
		`"required":["names"],"additionalProperties":false}`)
}

func TestFormsAreFlat(t *testing.T) {
	type nested struct {
		In struct{ X int } `json:"in"`
	}
	if _, err := formSchema(nested{}); err == nil {
		t.Error("a nested struct passed for a form")
	}
	if _, err := formSchema(5); err == nil {
		t.Error("a number passed for a form")
	}
	type choices struct {
		Tags []string `json:"tags" enum:"a,b"`
		Age  *int     `json:"age,omitzero" minimum:"1"`
	}
	s, err := formSchema(choices{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, string(s.raw), `{"type":"object","properties":{"tags":{"type":"array","items":{"type":"string","enum":["a","b"]}},"age":{"type":"integer","minimum":1}},"required":["tags"]}`)
}
