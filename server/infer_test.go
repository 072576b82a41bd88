// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// Types with something of their own, for [randomType].
type (
	level int // as text
	grid  [2][]level
	tree  struct {
		Name     string           `json:"name"`
		Children []tree           `json:"children"`
		Next     *tree            `json:"next,omitzero"`
		Up       *tree            `json:"up"`
		Named    map[string]*tree `json:"named,omitempty"`
	}
	forest map[string]forest
	base   struct {
		ID   int    `json:"id"`
		Kind string // shadowed in derived
	}
	Shared  struct{ Common []string }
	derived struct {
		base
		*Shared
		Kind  level
		Named base           `json:"named"`
		Rest  map[string]int `json:",embed"`
	}
	opaque    struct{ secret string } // as JSON
	pair      [2]namedByte
	namedByte byte
)

func (l level) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "level-%d", int(l)), nil }
func (l *level) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "level-%d", (*int)(l))
	return err
}

func (o opaque) MarshalJSON() ([]byte, error) { return stdjson.Marshal([]string{o.secret}) }
func (o *opaque) UnmarshalJSON(b []byte) error {
	var list []string
	if err := stdjson.Unmarshal(b, &list); err != nil || len(list) != 1 {
		return errors.New("want a list of one string")
	}
	o.secret = list[0]
	return nil
}

var leaves = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](),
	reflect.TypeFor[int64](), reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[any](), reflect.TypeFor[[]byte](), reflect.TypeFor[[4]byte](), reflect.TypeFor[pair](),
	reflect.TypeFor[time.Time](), reflect.TypeFor[time.Duration](), reflect.TypeFor[stdjson.RawMessage](), reflect.TypeFor[Raw](),
	reflect.TypeFor[net.IP](), reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.Prefix](), reflect.TypeFor[url.URL](), reflect.TypeFor[big.Int](),
	reflect.TypeFor[big.Float](), reflect.TypeFor[slog.Level](), reflect.TypeFor[level](), reflect.TypeFor[grid](), reflect.TypeFor[tree](),
	reflect.TypeFor[forest](), reflect.TypeFor[derived](), reflect.TypeFor[opaque](), reflect.TypeFor[struct{}](),
}

var keys = []reflect.Type{
	reflect.TypeFor[string](), reflect.TypeFor[int8](), reflect.TypeFor[uint64](), reflect.TypeFor[level](), reflect.TypeFor[netip.Addr](), reflect.TypeFor[time.Duration](),
}

// randomType returns a type made of the leaves.
func randomType(rnd *rand.Rand, depth int) reflect.Type {
	if depth == 0 {
		return leaves[rnd.IntN(len(leaves))]
	}
	switch rnd.IntN(7) {
	case 0:
		if t := randomType(rnd, depth-1); t.Kind() != reflect.Pointer { // JSON cannot tell a pointer to nil from nil
			return reflect.PointerTo(t)
		}
	case 1:
		return reflect.SliceOf(randomType(rnd, depth-1))
	case 2:
		return reflect.ArrayOf(rnd.IntN(4), randomType(rnd, depth-1))
	case 3:
		return reflect.MapOf(keys[rnd.IntN(len(keys))], randomType(rnd, depth-1))
	case 4, 5:
		return randomStruct(rnd, depth)
	}
	return leaves[rnd.IntN(len(leaves))]
}

func randomStruct(rnd *rand.Rand, depth int) reflect.Type {
	fields := make([]reflect.StructField, rnd.IntN(5))
	for i := range fields {
		t := randomType(rnd, depth-1)
		options := []string{"", "", ",omitzero", ",omitempty", ",case:ignore"}[rnd.IntN(5)]
		if k := t.Kind(); k >= reflect.Int && k <= reflect.Float64 && t.PkgPath() == "" && rnd.IntN(3) == 0 {
			options += ",string"
		}
		name := fmt.Sprintf("F%d", i)
		tag := []string{"", `json:"` + options + `"`, fmt.Sprintf(`json:"f %d%s" jsonschema:"a field"`, i, options)}[rnd.IntN(3)]
		if tag == `json:""` {
			tag = ""
		}
		fields[i] = reflect.StructField{Name: name, Type: t, Tag: reflect.StructTag(tag)}
	}
	return reflect.StructOf(fields)
}

// fill makes v a random value of its type.
func fill(rnd *rand.Rand, v reflect.Value, depth int) {
	if fillOwn(rnd, v) {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rnd.IntN(2) == 0)
	case reflect.String:
		v.SetString([]string{"", "x", "é\x00<\u2028", "not \xff UTF-8", "5"}[rnd.IntN(5)])
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{0, 1, -2.5, 1e20, 1e-7, 123456789}[rnd.IntN(6)])
	case reflect.Pointer:
		if rnd.IntN(3) > 0 && depth > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(rnd, v.Elem(), depth-1)
		}
	case reflect.Slice:
		if n := rnd.IntN(4); n < 3 && depth > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(rnd, v.Index(i), depth-1)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(rnd, v.Index(i), depth-1)
		}
	case reflect.Map:
		for n := rnd.IntN(3); n > 0 && depth > 0; n-- {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(rnd, key, 1)
			if key.Kind() == reflect.String {
				key.SetString(fmt.Sprint("key", n))
			}
			fill(rnd, value, depth-1)
			if v.IsNil() {
				v.Set(reflect.MakeMap(v.Type()))
			}
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() || f.Anonymous && f.Type.Kind() == reflect.Struct {
				if v.Field(i).CanSet() {
					fill(rnd, v.Field(i), depth-1)
				}
			}
		}
	case reflect.Interface:
		v.Set(reflect.ValueOf([]any{"x", 1.5, true, nil, []any{1.0}, map[string]any{"a": "b"}}[rnd.IntN(3)]))
	default:
		bits := rnd.Uint64() >> rnd.IntN(64)
		if v.CanInt() {
			v.SetInt(int64(bits) >> (64 - v.Type().Bits()))
		} else {
			v.SetUint(bits >> (64 - v.Type().Bits()))
		}
	}
}

// fillOwn fills types with a form of their own.
func fillOwn(rnd *rand.Rand, v reflect.Value) bool {
	if !v.CanAddr() {
		return false
	}
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = time.Unix(rnd.Int64N(4e9), rnd.Int64N(1e9)).UTC()
	case *time.Duration:
		*p = time.Duration(rnd.Int64() >> rnd.IntN(64))
	case *stdjson.RawMessage:
		*p = stdjson.RawMessage(`{"a":[1,null]}`)
	case *Raw:
		*p = Raw(`[1.50,"x"]`)
	case *net.IP:
		*p = net.IPv4(10, 0, 0, byte(rnd.IntN(256)))
	case *netip.Addr:
		*p = netip.AddrFrom4([4]byte{10, 0, 0, byte(rnd.IntN(256))})
	case *netip.Prefix:
		*p = netip.PrefixFrom(netip.AddrFrom4([4]byte{10}), rnd.IntN(33))
	case *url.URL:
		u, _ := url.Parse("https://user@example.com/a%20b?q=1#f")
		*p = *u
	case *big.Int:
		p.SetString(strings.Repeat("9", 1+rnd.IntN(40)), 10)
	case *big.Float:
		p.SetFloat64(rnd.Float64())
	case *opaque:
		p.secret = "s"
	default:
		return false
	}
	return true
}

// TestSchemaAndDecoderAgree makes types and values at random: each value, the
// zero value first, encodes to what both schemas of its type admit, and comes
// back from it.
func TestSchemaAndDecoderAgree(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 11))
	refused := 0
	for range 10_000 {
		depth := 1
		if rnd.IntN(4) == 0 {
			depth += 1 + rnd.IntN(2)
		}
		typ := randomStruct(rnd, depth)
		in, err := schemaFor(typ, false)
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		out, _, err := inferSchema(typ, true)
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		if raw, err := encodeSchema(out); err != nil || string(raw) != string(in.raw) {
			t.Fatalf("%s has two schemas:\n%s\n%s, %v", typ, in.raw, raw, err)
		}
		for round := range 3 {
			v := reflect.New(typ)
			if round > 0 {
				fill(rnd, v.Elem(), 5)
			}
			body := agree(t, in, v)
			if len(body) > 2 && in.validate(Raw(`{"unheard of":1,`+string(body[1:]))) != nil {
				refused++
			}
		}
	}
	if refused < 1000 {
		t.Errorf("only %d of the wrong values were refused; the test is useless", refused)
	}
}

// agree holds that the schema admits what v encodes to, and that this decodes.
func agree(t *testing.T, s *schema, v reflect.Value) Raw {
	t.Helper()
	body, err := json.Marshal(v.Interface(), s.options, json.Deterministic(true))
	if err != nil {
		t.Fatalf("%s: %v", v.Type(), err)
	}
	args, err := s.accept(body, true)
	if err != nil || !same(args, body) {
		t.Fatalf("%s: the schema %s makes of %s: %s, %v", v.Type(), s.raw, body, args, err)
	}
	back := reflect.New(v.Type().Elem())
	if err := decode(args, back.Interface(), s.options); err != nil {
		t.Fatalf("%s: decode %s: %v", v.Type(), body, err)
	}
	again, err := json.Marshal(back.Interface(), s.options, json.Deterministic(true))
	if err != nil || string(again) != string(body) && !reflect.DeepEqual(pruned(t, body), pruned(t, again)) {
		t.Fatalf("%s: %s comes back as %s, %v", v.Type(), body, again, err)
	}
	return body
}

// pruned decodes a value without the members that are empty: whether those are
// there is not kept by a struct with omitzero and members with omitempty.
func pruned(t *testing.T, body Raw) any {
	v, err := decodeAny(body)
	if err != nil {
		t.Fatal(err)
	}
	return prune(v)
}

func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if value = prune(value); value == nil || value == "" {
				delete(v, name)
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = prune(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	}
	return v
}

func TestTypesWithoutAFormAreRefused(t *testing.T) {
	type hidden struct{ X int }
	type loop *loop
	tests := []struct {
		value any
		part  string
	}{
		{struct{ F func() }{}, "field F: func() has no JSON form"},
		{struct{ C []chan int }{}, "chan int has no JSON form"},
		{struct{ C map[string]complex64 }{}, "complex64 has no JSON form"},
		{struct{ E error }{}, "an interface with methods, such as error"},
		{struct{ M map[float64]int }{}, "keys of type float64"},
		{struct{ M map[bool]int }{}, "keys of type bool"},
		{struct{ N stdjson.Number }{}, "json.Number is a string"},
		{struct{ L loop }{}, "parts"},
		{struct {
			*hidden
		}{}, "embedded pointer"},
		{struct {
			D time.Duration `json:"d,format:sec"`
		}{}, "format"},
		{struct {
			S string `json:",string"`
		}{}, "integers and floats alone"},
		{struct {
			B map[string]int `json:"b,inline"`
		}{}, `"inline"`},
		{struct {
			B string `json:"b,requird"`
		}{}, `"requird"`},
		{struct{ E regexp.Regexp }{}, ""},
	}
	for _, tt := range tests {
		_, err := schemaFor(reflect.TypeOf(tt.value), false)
		if tt.part == "" && err != nil || tt.part != "" && (err == nil || !strings.Contains(err.Error(), tt.part)) {
			t.Errorf("%T: error %v, want one with %q", tt.value, err, tt.part)
		}
	}
}

func TestInferredSchemas(t *testing.T) {
	type item struct {
		At time.Time `json:"at"`
	}
	tests := []struct {
		value  any
		schema string
	}{
		{tree{}, `{"type":"object","properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#/$defs/tree"}},` +
			`"next":{"$ref":"#/$defs/tree"},"up":{"anyOf":[{"$ref":"#/$defs/tree"},{"type":"null"}]},` +
			`"named":{"type":"object","additionalProperties":{"anyOf":[{"$ref":"#/$defs/tree"},{"type":"null"}]}}},"required":["name","children","up"],"additionalProperties":false}`},
		{derived{}, `{"type":"object","properties":{"id":{"type":"integer"},"Common":{"type":"array","items":{"type":"string"}},"Kind":{"type":"string"},` +
			`"named":{"type":"object","properties":{"id":{"type":"integer"},"Kind":{"type":"string"}},"required":["id","Kind"],"additionalProperties":false}},` +
			`"required":["id","Kind","named"],"additionalProperties":{"type":"integer"}}`},
		{struct {
			Any   any            `json:"any"`
			List  []any          `json:"list"`
			Map   map[string]any `json:"map"`
			Ints  map[int8]*item `json:"ints"`
			Short *string        `json:"short,omitzero" enum:"a, b"`
			Long  *string        `json:"long" enum:"a, b"`
		}{}, `{"type":"object","properties":{"any":{},"list":{"type":"array","items":{}},"map":{"type":"object","additionalProperties":{}},` +
			`"ints":{"type":"object","additionalProperties":{"type":["null","object"],"properties":{"at":{"type":"string","format":"date-time"}},"required":["at"],"additionalProperties":false},"propertyNames":{"pattern":"^-?(0|[1-9][0-9]*)$"}},` +
			`"short":{"type":"string","enum":["a","b"]},"long":{"type":["null","string"],"enum":["a","b",null]}},"required":["any","list","map","ints","long"],"additionalProperties":false}`},
	}
	for _, tt := range tests {
		s, err := schemaFor(reflect.TypeOf(tt.value), false)
		if err != nil {
			t.Errorf("%T: %v", tt.value, err)
			continue
		}
		got := s.raw
		if at := strings.Index(string(got), `"$defs":`); at > 0 {
			got = Raw(regexp.MustCompile(`"\$defs":\{"tree":\{.*?"additionalProperties":false\}\},?`).ReplaceAllString(string(got), ""))
		}
		want(t, sorted(t, string(got)), sorted(t, tt.schema))
	}
}
