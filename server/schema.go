// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// schema is a JSON schema ready to list and to check values with. Simple
// schemas also have a shape, which recognises most valid values without
// decoding them.
type schema struct {
	raw      Raw
	resolved *jsonschema.Resolved
	shape    *shape // nil when the schema is not simple
}

// maxReason bounds in bytes what is said of an invalid value: it may be repeated whole.
const maxReason = 1 << 10

// validate reports why a value does not satisfy the schema. The value is valid JSON.
func (s *schema) validate(value Raw) error {
	if s.shape.admits(value) {
		return nil
	}
	var v any
	if err := json.Unmarshal(value, &v); err != nil {
		return err
	}
	if err := s.resolved.Validate(v); err != nil {
		return errors.New(display.Cut(readable(err.Error()), maxReason))
	}
	return nil
}

// readable makes a validation error name the place first: the library's
// "validating root: validating /properties/a/items: …" becomes "a/items: …".
func readable(text string) string {
	var at string
	for {
		rest, ok := strings.CutPrefix(text, "validating ")
		if !ok {
			break
		}
		place, tail, ok := strings.Cut(rest, ": ")
		if !ok {
			break
		}
		if place != "root" {
			at = strings.ReplaceAll(strings.TrimPrefix(place, "/"), "properties/", "")
		}
		text = tail
	}
	if at == "" {
		return text
	}
	return at + ": " + text
}

// parseSchema prepares a schema given as JSON; the bytes are listed verbatim.
// References to other documents are refused, never fetched.
//
// spec 2026-07-28 basic: JSON Schema usage, "MUST NOT automatically dereference".
func parseSchema(raw Raw) (*schema, error) {
	var js jsonschema.Schema
	if err := js.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	return resolve(&js, raw)
}

func resolve(js *jsonschema.Schema, raw Raw) (*schema, error) {
	resolved, err := js.Resolve(&jsonschema.ResolveOptions{})
	if err != nil {
		return nil, err
	}
	return &schema{raw: raw, resolved: resolved, shape: shapeOf(js)}, nil
}

var typeSchemas = map[reflect.Type]*jsonschema.Schema{
	reflect.TypeFor[[]byte]():         {Type: "string", ContentEncoding: "base64"},
	reflect.TypeFor[jsontext.Value](): {},
}

// inferSchema derives a schema from a Go type. Besides encoding names, the
// struct tags jsonschema (a description), title, enum (comma separated),
// default, format, minimum, maximum, minLength, maxLength, pattern and header
// (the x-mcp-header name) are read.
func inferSchema(t reflect.Type) (*jsonschema.Schema, error) {
	js, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: typeSchemas})
	if err != nil {
		return nil, err
	}
	if err := applyTags(js, t); err != nil {
		return nil, err
	}
	return js, nil
}

// applyTags adds to js what the fields' tags of the struct t say.
func applyTags(js *jsonschema.Schema, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || js.Properties == nil {
		return nil
	}
	for f := range fieldsOf(t) {
		p := js.Properties[jsonName(f)]
		if p == nil {
			continue
		}
		if err := applyFieldTags(js, p, f); err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
		if err := applyTags(p, f.Type); err != nil {
			return err
		}
	}
	return nil
}

// fieldsOf yields the fields of t that become members, those of embedded
// structs included.
func fieldsOf(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for _, f := range reflect.VisibleFields(t) {
			if f.IsExported() && !f.Anonymous && jsonName(f) != "" && !yield(f) {
				return
			}
		}
	}
}

// jsonName returns the member name of a field, "" for none.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	switch name {
	case "-":
		return ""
	case "":
		return f.Name
	}
	return name
}

func applyFieldTags(parent, p *jsonschema.Schema, f reflect.StructField) (err error) {
	p.Title = f.Tag.Get("title")
	if format, ok := f.Tag.Lookup("format"); ok {
		p.Format = format
	}
	if pattern, ok := f.Tag.Lookup("pattern"); ok {
		p.Pattern = pattern
	}
	if header, ok := f.Tag.Lookup("header"); ok {
		p.Extra = map[string]any{"x-mcp-header": header}
	}
	if values, ok := f.Tag.Lookup("enum"); ok {
		of := f.Type
		if of.Kind() == reflect.Slice {
			of = of.Elem() // a list of choices
		}
		for value := range strings.SplitSeq(values, ",") {
			v, err := literal(of, value)
			if err != nil {
				return err
			}
			p.Enum = append(p.Enum, v)
		}
		if of != f.Type && p.Items != nil {
			p.Items.Enum, p.Enum = p.Enum, nil
		}
	}
	if value, ok := f.Tag.Lookup("default"); ok {
		v, err := literal(f.Type, value)
		if err != nil {
			return err
		}
		if p.Default, err = json.Marshal(v); err != nil {
			return err
		}
		parent.Required = without(parent.Required, jsonName(f))
	}
	return errors.Join(
		floatTag(f, "minimum", &p.Minimum), floatTag(f, "maximum", &p.Maximum),
		intTag(f, "minLength", &p.MinLength), intTag(f, "maxLength", &p.MaxLength))
}

func without(names []string, name string) []string {
	out := names[:0:0]
	for _, n := range names {
		if n != name {
			out = append(out, n)
		}
	}
	return out
}

func floatTag(f reflect.StructField, name string, dst **float64) error {
	if s, ok := f.Tag.Lookup(name); ok {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("tag %s: %w", name, err)
		}
		*dst = &v
	}
	return nil
}

func intTag(f reflect.StructField, name string, dst **int) error {
	if s, ok := f.Tag.Lookup(name); ok {
		v, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("tag %s: %w", name, err)
		}
		*dst = &v
	}
	return nil
}

// literal reads a tag's value as what the field's type holds.
func literal(t reflect.Type, s string) (any, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return s, nil
	case reflect.Bool:
		return strconv.ParseBool(s)
	case reflect.Slice, reflect.Map, reflect.Struct:
		return nil, fmt.Errorf("value %q: a %s has no literal", s, t)
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err
}

// encodeSchema returns the JSON of an inferred schema. A property without
// constraints is {} rather than true, as older clients know objects only.
func encodeSchema(js *jsonschema.Schema) (Raw, error) {
	b, err := js.MarshalJSON()
	if err != nil {
		return nil, err
	}
	raw := Raw(b)
	props, _ := jsonrpc.Get(raw, "properties")
	fixed := props
	for name, value := range jsonrpc.Members(props) {
		if key, ok := jsonrpc.Unquote(name); ok && value.Kind() == 't' {
			fixed = jsonrpc.Set(fixed, key, Raw("{}"))
		}
	}
	if len(fixed) != len(props) {
		raw = jsonrpc.Set(raw, "properties", fixed)
	}
	return raw, nil
}

// schemaFor infers, encodes and resolves the schema of t.
func schemaFor(t reflect.Type) (*schema, error) {
	js, err := inferSchema(t)
	if err != nil {
		return nil, err
	}
	raw, err := encodeSchema(js)
	if err != nil {
		return nil, err
	}
	return resolve(js, raw)
}

var formSchemas sync.Map // reflect.Type → *schema

// formRequest returns the elicitation of a form and the schema of its answer.
func formRequest(message string, form any) (mcp.InputRequest, *schema, error) {
	check, err := formSchema(form)
	if err != nil {
		return mcp.InputRequest{}, nil, fmt.Errorf("server: form %T: %w", form, err)
	}
	p := append(Raw(`{"message":`), jsonrpc.AppendString(nil, message)...)
	p = append(p, `,"requestedSchema":`...)
	p = append(p, check.raw...)
	return mcp.InputRequest{Method: mcp.MethodElicit, Params: append(p, '}')}, check, nil
}

func formSchema(form any) (*schema, error) {
	if raw, ok := form.(Raw); ok {
		return parseSchema(raw)
	}
	t := reflect.TypeOf(form)
	if t == nil {
		return parseSchema(Raw(`{"type":"object","properties":{}}`))
	}
	if s, ok := formSchemas.Load(t); ok {
		return s.(*schema), nil
	}
	js, err := inferSchema(t)
	if err != nil {
		return nil, err
	}
	if js.Type != "object" {
		return nil, errors.New("a form must be a struct")
	}
	js.AdditionalProperties = nil // forms are described by their properties alone
	for name, p := range js.Properties {
		if err := flatten(p); err != nil {
			return nil, fmt.Errorf("field %q: %w", name, err)
		}
	}
	raw, err := encodeSchema(js)
	if err != nil {
		return nil, err
	}
	s, err := resolve(js, raw)
	if err != nil {
		return nil, err
	}
	formSchemas.Store(t, s)
	return s, nil
}

// flatten makes p one of the primitives that forms allow: "null or T" becomes
// T, and a list must be of strings from an enum.
//
// spec 2026-07-28 client/elicitation#requested-schema.
func flatten(p *jsonschema.Schema) error {
	for _, t := range p.Types {
		if t != "null" {
			p.Type = t
		}
	}
	p.Types = nil
	switch p.Type {
	case "string", "number", "integer", "boolean":
		return nil
	case "array":
		if p.Items != nil && p.Items.Type == "string" && p.Items.Enum != nil {
			return nil
		}
	}
	return errors.New("forms hold strings, numbers, booleans and choices only")
}
