// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/google/jsonschema-go/jsonschema"
)

// maxNodes bounds how many schemas one type makes: types that hold each other
// several times each grow fast.
const maxNodes = 10_000

// inference derives the schema of a type from how package json encodes it or
// decodes into it.
type inference struct {
	output bool // the schema is of what values encode to, not of what decodes into them
	plain  bool // constraints of tags are left out

	nodes    int
	open     map[reflect.Type]bool   // named types that are being described
	names    map[reflect.Type]string // of types that hold themselves, under $defs
	defs     map[string]*jsonschema.Schema
	lopsided bool // a type encodes to something else than what decodes into it
	forms    bool // a type has its form from [jsonform.Forms], or may turn out to
}

// infer returns the schema of t. What else it finds is in in's fields then.
func (in *inference) infer(t reflect.Type) (*jsonschema.Schema, error) {
	in.open, in.names, in.defs = map[reflect.Type]bool{}, map[reflect.Type]string{}, map[string]*jsonschema.Schema{}
	js, err := in.describe(t)
	if err != nil {
		return nil, err
	}
	if name, ok := in.names[t]; ok {
		js = in.defs[name].CloneSchemas() // so that the root says what it is
	}
	if len(in.defs) > 0 {
		js.Defs = in.defs
	}
	return js, nil
}

// describe returns a schema of its own for t.
func (in *inference) describe(t reflect.Type) (*jsonschema.Schema, error) {
	if in.nodes++; in.nodes > maxNodes {
		return nil, fmt.Errorf("the schema has more than %d parts", maxNodes)
	}
	if form, ok := wellKnown[t]; ok {
		in.forms = in.forms || form.made
		return form.schema.CloneSchemas(), nil
	}
	if t.Kind() == reflect.Pointer {
		js, err := in.describe(t.Elem())
		if err != nil {
			return nil, err
		}
		return nullable(js), nil
	}
	if js := in.byMethod(t); js != nil {
		return js, nil
	}
	if t.Name() == "" {
		return in.composite(t)
	}
	if in.open[t] && in.names[t] == "" {
		in.names[t] = in.nameFor(t)
	}
	if name := in.names[t]; name != "" {
		return &jsonschema.Schema{Ref: "#/$defs/" + name}, nil
	}
	in.open[t] = true
	js, err := in.composite(t)
	delete(in.open, t)
	if name := in.names[t]; name != "" && err == nil {
		in.defs[name] = js
		return &jsonschema.Schema{Ref: "#/$defs/" + name}, nil
	}
	return js, err
}

// nameFor returns a name for t that no other definition has.
func (in *inference) nameFor(t reflect.Type) string {
	base := strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_' // such as the brackets of a generic type
	}, t.Name())
	taken := slices.Collect(maps.Values(in.names))
	name := base
	for n := 2; slices.Contains(taken, name); n++ {
		name = base + strconv.Itoa(n)
	}
	return name
}

// The interfaces by which a type has its own JSON form.
var (
	jsonEncoders = []reflect.Type{reflect.TypeFor[json.MarshalerTo](), reflect.TypeFor[json.Marshaler]()}
	jsonDecoders = []reflect.Type{reflect.TypeFor[json.UnmarshalerFrom](), reflect.TypeFor[json.Unmarshaler]()}
	textEncoders = []reflect.Type{reflect.TypeFor[encoding.TextAppender](), reflect.TypeFor[encoding.TextMarshaler]()}
	textDecoders = []reflect.Type{reflect.TypeFor[encoding.TextUnmarshaler]()}
)

func hasMethods(t reflect.Type, of []reflect.Type) bool {
	if t.Kind() == reflect.Interface {
		return false
	}
	return slices.ContainsFunc(of, func(i reflect.Type) bool { return t.Implements(i) || reflect.PointerTo(t).Implements(i) })
}

// byMethod returns the schema of a type that encodes or decodes itself: as a
// string by text, as anything by JSON. It returns nil for others.
func (in *inference) byMethod(t reflect.Type) *jsonschema.Schema {
	asJSON, asText := hasMethods(t, jsonDecoders), hasMethods(t, textDecoders)
	toJSON, toText := hasMethods(t, jsonEncoders), hasMethods(t, textEncoders)
	if asJSON != toJSON || !asJSON && asText != toText {
		in.lopsided = true
	}
	if in.output {
		asJSON, asText = toJSON, toText
	}
	switch {
	case asJSON:
		in.forms = in.forms || t != reflect.TypeFor[Raw]() // which may encode others in turn
		return &jsonschema.Schema{}
	case asText:
		return &jsonschema.Schema{Type: "string"}
	}
	return nil
}

// composite returns the schema of a type that package json takes apart.
func (in *inference) composite(t reflect.Type) (*jsonschema.Schema, error) {
	switch t.Kind() {
	case reflect.Bool:
		return &jsonschema.Schema{Type: "boolean"}, nil
	case reflect.String:
		if t.PkgPath() == "encoding/json" {
			return nil, fmt.Errorf("%s is a string to the JSON library in use; use int64, float64 or server.Raw", t)
		}
		return &jsonschema.Schema{Type: "string"}, nil
	case reflect.Float32, reflect.Float64:
		return &jsonschema.Schema{Type: "number"}, nil
	case reflect.Struct:
		return in.object(t)
	case reflect.Map:
		return in.mapping(t)
	case reflect.Slice, reflect.Array:
		return in.list(t)
	case reflect.Interface:
		if !in.output && t.NumMethod() > 0 {
			return nil, fmt.Errorf("an interface with methods, such as %s, cannot be decoded into; use a concrete type or server.Raw", t)
		}
		in.forms = in.forms || in.output
		return &jsonschema.Schema{}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return integer(t), nil
	}
	return nil, fmt.Errorf("%s has no JSON form", t)
}

// integer returns the schema of an integer type, with its range where that can
// be told exactly.
func integer(t reflect.Type) *jsonschema.Schema {
	js := &jsonschema.Schema{Type: "integer"}
	bits := t.Bits()
	signed := t.Kind() <= reflect.Int64
	if !signed {
		js.Minimum = new(float64)
	}
	if bits < 64 && t.Kind() != reflect.Int && t.Kind() != reflect.Uint {
		low, high := 0.0, math.Ldexp(1, bits)-1
		if signed {
			low, high = -math.Ldexp(1, bits-1), math.Ldexp(1, bits-1)-1
		}
		js.Minimum, js.Maximum = &low, &high
	}
	return js
}

// list returns the schema of a slice or an array; bytes are a string.
func (in *inference) list(t reflect.Type) (*jsonschema.Schema, error) {
	if e := t.Elem(); e.Kind() == reflect.Uint8 && e.PkgPath() == "" {
		js := &jsonschema.Schema{Type: "string", ContentEncoding: "base64"}
		if t.Kind() == reflect.Array {
			n := (t.Len() + 2) / 3 * 4
			js.MinLength, js.MaxLength = &n, &n
		}
		return js, nil
	}
	items, err := in.describe(t.Elem())
	if err != nil {
		return nil, err
	}
	js := &jsonschema.Schema{Type: "array", Items: items}
	if t.Kind() == reflect.Array {
		n := t.Len()
		js.MinItems, js.MaxItems = &n, &n
	}
	return js, nil
}

// mapping returns the schema of a map.
func (in *inference) mapping(t reflect.Type) (*jsonschema.Schema, error) {
	js := &jsonschema.Schema{Type: "object"}
	key := t.Key()
	known, ok := wellKnown[key]
	text := in.byMethod(key)
	switch k := key.Kind(); {
	case ok && known.schema.Type == "string":
		in.forms = in.forms || known.made
	case text != nil && text.Type == "string", text == nil && k == reflect.String:
	case text == nil && !ok && k >= reflect.Int && k <= reflect.Int64:
		js.PropertyNames = &jsonschema.Schema{Pattern: `^-?(0|[1-9][0-9]*)$`}
	case text == nil && !ok && k >= reflect.Uint && k <= reflect.Uintptr:
		js.PropertyNames = &jsonschema.Schema{Pattern: `^(0|[1-9][0-9]*)$`}
	default:
		return nil, fmt.Errorf("keys of type %s: an object has names that are strings, integers or of a type with text methods", key)
	}
	var err error
	js.AdditionalProperties, err = in.describe(t.Elem())
	return js, err
}

// object returns the schema of a struct.
func (in *inference) object(t reflect.Type) (*jsonschema.Schema, error) {
	if !in.output || !hasMethods(t, slices.Concat(jsonDecoders, textDecoders)) {
		if err := checkFields(t); err != nil {
			return nil, err
		}
	}
	members, err := membersOf(t)
	if err != nil {
		return nil, err
	}
	js := &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}}}
	for _, m := range members {
		if err := in.addMember(js, m); err != nil {
			return nil, fmt.Errorf("field %s: %w", m.Name, err)
		}
	}
	return js, nil
}

// addMember adds a field to the schema of its struct.
func (in *inference) addMember(js *jsonschema.Schema, m member) error {
	if m.sealed && !in.output {
		return errors.New("it lies in an embedded pointer to a type that is not exported, which cannot be decoded into")
	}
	if m.rest {
		return in.addRest(js, m)
	}
	p, err := in.describe(m.Type)
	if err != nil {
		return err
	}
	if m.quoted {
		if p, err = quoted(p); err != nil {
			return err
		}
	}
	if m.optional && m.Type.Kind() == reflect.Pointer && m.Type.Elem().Kind() != reflect.Pointer {
		withoutNull(p)
	}
	if js.Properties == nil {
		js.Properties = map[string]*jsonschema.Schema{}
	}
	js.Properties[m.name] = p
	js.PropertyOrder = append(js.PropertyOrder, m.name)
	if err := in.applyTags(p, m); err != nil {
		return err
	}
	if m.optional && m.Type.Kind() == reflect.Struct && p.Default == nil && len(p.Required) == 0 && p.Ref == "" && hasDefaults(p) {
		p.Default = []byte("{}") // the struct is there in any case, and so are its defaults
	}
	if !m.optional && p.Default == nil {
		js.Required = append(js.Required, m.name)
	}
	return nil
}

// addRest lets the schema of a struct have the members for which it has no field.
func (in *inference) addRest(js *jsonschema.Schema, m member) (err error) {
	js.AdditionalProperties = nil
	if t := indirect(m.Type); t.Kind() == reflect.Map {
		js.AdditionalProperties, err = in.describe(t.Elem())
	}
	return err
}

// quoted returns the schema of a number that is written as a string.
func quoted(p *jsonschema.Schema) (*jsonschema.Schema, error) {
	out := &jsonschema.Schema{Type: "string"}
	switch kindOf(p) {
	case "integer":
		out.Pattern = `^-?(0|[1-9][0-9]*)$`
	case "number":
		out.Pattern = `^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`
	default:
		return nil, errors.New(`the option "string" of a json tag is for integers and floats alone`)
	}
	if len(p.Types) > 0 {
		return nullable(out), nil
	}
	return out, nil
}

// nullable makes js admit null too.
func nullable(js *jsonschema.Schema) *jsonschema.Schema {
	switch {
	case js.Type != "":
		js.Types, js.Type = []string{"null", js.Type}, ""
	case js.Ref != "":
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{js, {Type: "null"}}}
	}
	return js
}

// withoutNull makes p the schema of a pointer that is left out when it is nil. A
// property of one type is what more models understand.
func withoutNull(p *jsonschema.Schema) {
	switch {
	case len(p.Types) == 2 && p.Types[0] == "null":
		p.Type, p.Types = p.Types[1], nil
	case len(p.AnyOf) == 2 && p.AnyOf[1].Type == "null":
		p.Ref, p.AnyOf = p.AnyOf[0].Ref, nil
	}
}

// kindOf returns the one type of js besides null, "" when there is none.
func kindOf(js *jsonschema.Schema) string {
	if len(js.Types) == 2 && js.Types[0] == "null" {
		return js.Types[1]
	}
	return js.Type
}
