// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/jsonform"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// schema is a JSON schema ready to list and to check values with. Simple
// schemas also have a shape, which recognises most valid values without
// decoding them.
type schema struct {
	raw      Raw
	resolved *jsonschema.Resolved
	shape    *shape       // nil when the schema is not simple
	options  json.Options // for values of the Go type
	defaults bool         // properties have some
}

// maxReason bounds in bytes what is said of an invalid value: it may be repeated whole.
const maxReason = 1 << 10

// validate reports why a value does not satisfy the schema. The value is valid JSON.
func (s *schema) validate(value Raw) error {
	if s.shape.admits(value) {
		return nil
	}
	v, err := decodeAny(value)
	if err != nil {
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
	text = strings.ReplaceAll(text, "<invalid reflect.Value>", "null")
	text = ratio.ReplaceAllStringFunc(text, func(s string) string {
		if r, ok := new(big.Rat).SetString(s); ok {
			f, _ := r.Float64()
			return strconv.FormatFloat(f, 'f', -1, 64)
		}
		return s
	})
	text = zeros.ReplaceAllString(text, "$1$2$3")
	if at == "" {
		return text
	}
	return at + ": " + text
}

// How the library writes the two numbers of a comparison: 5/2 is less than 3.000000.
var (
	ratio = regexp.MustCompile(`-?[0-9]+/[0-9]+\b`)
	zeros = regexp.MustCompile(`( than | to | of )(-?[0-9]+)(?:(\.[0-9]*[1-9])0*|\.0+)$`)
)

// parseSchema prepares a schema given as JSON; the bytes are listed verbatim.
// References to other documents are refused, never fetched.
//
// spec 2026-07-28 basic: JSON Schema usage, "MUST NOT automatically dereference".
func parseSchema(raw Raw) (*schema, error) {
	var js jsonschema.Schema
	if err := js.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	resolved, err := js.Resolve(&jsonschema.ResolveOptions{})
	if err != nil {
		return nil, err
	}
	return &schema{raw: raw, resolved: resolved, shape: shapeOf(&js), options: jsonform.Forms, defaults: hasDefaults(&js)}, nil
}

// inferSchema derives the schema of a type: of what values encode to, or else of
// what decodes into them. Custom tells whether values have a form of [jsonform.Forms].
func inferSchema(t reflect.Type, output bool) (js *jsonschema.Schema, custom bool, err error) {
	in := inference{output: output}
	if js, err = in.infer(t); err != nil {
		return nil, true, err
	}
	if in.lopsided {
		return js, in.forms, nil
	}
	return js, in.forms, probe(t, output)
}

// probe holds what is inferred of t to the one value that every type has: it must
// satisfy the schema, constraints of tags aside. A type whose methods refuse the
// zero value cannot be probed.
func probe(t reflect.Type, output bool) error {
	body, err := json.Marshal(reflect.New(t).Interface(), jsonform.Forms)
	if err != nil {
		return nil //nolint:nilerr // what package json cannot encode at all, inference refuses
	}
	in := inference{output: output, plain: true}
	js, err := in.infer(t)
	if err != nil {
		return err
	}
	resolved, err := js.Resolve(nil)
	if err != nil {
		return err
	}
	v, err := decodeAny(body)
	if err == nil {
		err = resolved.Validate(v)
	}
	if err != nil {
		return fmt.Errorf("the schema of %s cannot be inferred, for its zero value is %s: %s; give the schema as an option",
			t, display.Cut(string(body), maxReason), readable(err.Error()))
	}
	return nil
}

// encodeSchema returns the JSON of an inferred schema. A part without constraints
// is {} rather than true, as older clients know objects only.
func encodeSchema(js *jsonschema.Schema) (Raw, error) {
	b, err := js.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return withoutTrue(b), nil
}

// withoutTrue writes true as {} wherever an inferred schema holds a schema.
func withoutTrue(s Raw) Raw {
	switch s.Kind() {
	case 't':
		return Raw("{}")
	case '{':
	default:
		return s
	}
	out := Raw("{")
	for quoted, value := range jsonrpc.Members(s) {
		switch name, _ := jsonrpc.Unquote(quoted); name {
		case "items", "additionalProperties":
			value = withoutTrue(value)
		case "properties", "$defs":
			value = eachMember(value, withoutTrue)
		}
		out = appendMember(out, quoted, value)
	}
	return append(out, '}')
}

// eachMember returns an object with f of each member's value.
func eachMember(object Raw, f func(Raw) Raw) Raw {
	out := Raw("{")
	for quoted, value := range jsonrpc.Members(object) {
		out = appendMember(out, quoted, f(value))
	}
	return append(out, '}')
}

// appendMember appends a member to an object that is not yet closed.
func appendMember(object, quoted, value Raw) Raw {
	if len(object) > 1 {
		object = append(object, ',')
	}
	return append(append(append(object, quoted...), ':'), value...)
}

// schemaFor infers, encodes and resolves the schema of t.
func schemaFor(t reflect.Type, output bool) (*schema, error) {
	js, custom, err := inferSchema(t, output)
	if err != nil {
		return nil, err
	}
	return inferred(js, custom)
}

// inferred prepares a schema that was inferred, and perhaps changed since. Its
// defaults must satisfy it.
func inferred(js *jsonschema.Schema, custom bool) (*schema, error) {
	raw, err := encodeSchema(js)
	if err != nil {
		return nil, err
	}
	resolved, err := js.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		return nil, errors.New(readable(err.Error()))
	}
	s := &schema{raw: raw, resolved: resolved, shape: shapeOf(js), options: jsonform.Text, defaults: hasDefaults(js)}
	if custom {
		s.options = jsonform.Forms
	}
	return s, nil
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
	js, custom, err := inferSchema(t, false)
	if err != nil {
		return nil, err
	}
	if js.Type != "object" || js.Defs != nil {
		return nil, errors.New("a form must be a struct")
	}
	js.AdditionalProperties = nil // forms are described by their properties alone
	for name, p := range js.Properties {
		if err := flatten(p); err != nil {
			return nil, fmt.Errorf("field %q: %w", name, err)
		}
	}
	s, err := inferred(js, custom)
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
	if len(p.Types) > 0 {
		p.Types = nil
		p.Enum = slices.DeleteFunc(p.Enum, func(v any) bool { return v == nil })
	}
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
