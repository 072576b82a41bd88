// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"reflect"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// shape is the part of JSON Schema that most tools use: types, properties,
// required members and closed objects. It recognises values that certainly
// satisfy the schema by looking at their bytes; of any other it says nothing.
type shape struct {
	any                          bool
	null, str, boolean, num, arr bool
	integer                      bool // an integer without fraction, exponent
	nonNegative                  bool // of integer
	items                        *shape
	obj, closed                  bool
	props                        map[string]*shape
	required                     []string
}

// shapeOf returns the shape of a schema, or nil when the schema says anything a
// shape cannot express.
func shapeOf(js *jsonschema.Schema) *shape {
	rest := *js
	rest.Title, rest.Description, rest.Default, rest.Comment, rest.Format = "", "", nil, "", ""
	rest.Schema, rest.ContentEncoding = "", ""
	rest.ReadOnly, rest.WriteOnly, rest.Deprecated, rest.Examples = false, false, false, nil
	rest.PropertyOrder, rest.Extra = nil, nil
	s := &shape{}
	types := rest.Types
	if rest.Type != "" {
		types = []string{rest.Type}
	}
	rest.Type, rest.Types = "", nil
	if js.Schema != "" && js.Schema != "https://json-schema.org/draft/2020-12/schema" {
		return nil
	}
	if len(types) == 0 {
		s.any = true
	}
	for _, t := range types {
		if !s.take(t, js, &rest) {
			return nil
		}
	}
	if !reflect.DeepEqual(rest, jsonschema.Schema{}) {
		return nil
	}
	return s
}

// take adds one type to the shape and clears the keywords it accounts for.
func (s *shape) take(t string, js, rest *jsonschema.Schema) bool {
	switch t {
	case "null":
		s.null = true
	case "string":
		s.str = true
	case "boolean":
		s.boolean = true
	case "number":
		s.num = true
	case "integer":
		s.integer = true
		if js.Minimum != nil && *js.Minimum == 0 {
			s.nonNegative, rest.Minimum = true, nil
		}
	case "array":
		s.arr, rest.Items = true, nil
		if js.Items != nil {
			s.items = shapeOf(js.Items)
			return s.items != nil
		}
	case "object":
		return s.takeObject(js, rest)
	default:
		return false
	}
	return true
}

func (s *shape) takeObject(js, rest *jsonschema.Schema) bool {
	s.obj, s.required = true, js.Required
	rest.Required, rest.Properties = nil, nil
	if js.AdditionalProperties != nil {
		if !reflect.DeepEqual(js.AdditionalProperties, &jsonschema.Schema{Not: &jsonschema.Schema{}}) {
			return false
		}
		s.closed, rest.AdditionalProperties = true, nil
	}
	s.props = make(map[string]*shape, len(js.Properties))
	for name, p := range js.Properties {
		if s.props[name] = shapeOf(p); s.props[name] == nil {
			return false
		}
	}
	return true
}

// admits reports whether the value, which is valid JSON without duplicate
// members, certainly satisfies the schema. False means: not known.
func (s *shape) admits(value Raw) bool {
	if s == nil {
		return false
	}
	if s.any {
		return true
	}
	if len(value) == 0 {
		return false
	}
	switch c := value[0]; c {
	case '{':
		return s.obj && s.admitsObject(value)
	case '[':
		return s.arr && s.admitsArray(value)
	case '"':
		return s.str
	case 't', 'f':
		return s.boolean
	case 'n':
		return s.null
	default:
		if s.num && !s.integer {
			return true
		}
		return s.integer && isPlainInteger(value) && (!s.nonNegative || c != '-')
	}
}

func (s *shape) admitsArray(value Raw) bool {
	if s.items == nil {
		return true
	}
	for e := range jsonrpc.Elements(value) {
		if !s.items.admits(e) {
			return false
		}
	}
	return true
}

func (s *shape) admitsObject(value Raw) bool {
	missing := len(s.required)
	for quoted, v := range jsonrpc.Members(value) {
		if slices.Contains(quoted, '\\') {
			return false
		}
		name := quoted[1 : len(quoted)-1]
		p, known := s.props[string(name)]
		if known && !p.admits(v) || !known && s.closed {
			return false
		}
		for _, r := range s.required {
			if r == string(name) {
				missing--
			}
		}
	}
	return missing == 0
}

// isPlainInteger reports whether a JSON number is an integer of at most 15
// digits, written without fraction and exponent: exact in every decoder.
func isPlainInteger(value Raw) bool {
	digits := value
	if digits[0] == '-' {
		digits = digits[1:]
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(digits) > 0 && len(digits) <= 15
}
