// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/holdfast-mcp/holdfast/internal/jsonform"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// decode stores a JSON value in v, which must be a pointer to a zero value.
func decode(value Raw, v any, options json.Options) error {
	err := json.Unmarshal(value, v, options)
	if e, ok := errors.AsType[*json.SemanticError](err); ok && e.JSONKind == '0' {
		reflect.ValueOf(v).Elem().SetZero()
		return json.Unmarshal(value, v, jsonform.Exact)
	}
	return err
}

// accept returns the arguments as a tool takes them, or why they do not satisfy
// the schema. Those that are decoded are completed first.
func (s *schema) accept(args Raw, typed bool) (Raw, error) {
	err := s.validate(args)
	if !typed {
		return args, err
	}
	c := completion{root: s.resolved.Schema()}
	if err != nil {
		c.nulls = true
		some := c.value(args, c.root)
		if same(some, args) || s.validate(some) != nil {
			return nil, err
		}
		args, c.nulls = some, false
	}
	if s.defaults {
		c.defaults = true
		args = c.value(args, c.root)
	}
	return args, nil
}

// decodeAny returns a JSON value for validation: integers of 64 bits are exact.
func decodeAny(value Raw) (v any, err error) {
	err = json.Unmarshal(value, &v, jsonform.Text, numbers)
	return v, err
}

var numbers = json.WithUnmarshalers(json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *any) error {
	if dec.PeekKind() != '0' {
		return errors.ErrUnsupported
	}
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	digits := string(jsonform.Plain(raw))
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		*v = n
		return nil
	}
	if n, err := strconv.ParseUint(digits, 10, 64); err == nil {
		*v = n
		return nil
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return errors.New("a number is out of range")
	}
	*v = n
	return nil
}))

// completion says what a value means by what it leaves out.
type completion struct {
	root     *jsonschema.Schema
	nulls    bool // null for what may not be null means absent, or an empty list or map
	defaults bool // what is absent has its default
}

// value returns v completed by the schema s, or v itself when there is nothing to
// do. It goes as deep as v does, which is bounded where messages are read.
func (c *completion) value(v Raw, s *jsonschema.Schema) Raw {
	switch s = c.follow(s); {
	case s == nil:
		return v
	case v.Kind() == '{':
		return c.object(v, s)
	case v.Kind() == '[' && s.Items != nil:
		return c.list(v, s.Items)
	}
	return v
}

// follow returns the schema that s stands for: what it refers to, or what it
// allows besides null.
func (c *completion) follow(s *jsonschema.Schema) *jsonschema.Schema {
	for range 8 { // longer chains do not occur in what is inferred
		switch {
		case s == nil:
			return nil
		case s.Ref == "#":
			s = c.root
		case s.Ref != "":
			name, ok := strings.CutPrefix(s.Ref, "#/$defs/")
			if !ok {
				return nil
			}
			s = c.root.Defs[name]
		case len(s.AnyOf) == 2 && s.AnyOf[1] != nil && s.AnyOf[1].Type == "null":
			s = s.AnyOf[0]
		default:
			return s
		}
	}
	return nil
}

func (c *completion) list(v Raw, items *jsonschema.Schema) Raw {
	out, changed := Raw("["), false
	for e := range jsonrpc.Elements(v) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		next := c.value(e, items)
		changed = changed || !same(next, e)
		out = append(out, next...)
	}
	if !changed {
		return v
	}
	return append(out, ']')
}

// same reports whether a and b are the same bytes in memory.
func same(a, b Raw) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

func (c *completion) object(v Raw, s *jsonschema.Schema) Raw {
	out, changed := Raw("{"), false
	var present []string
	for quoted, value := range jsonrpc.Members(v) {
		name, _ := jsonrpc.Unquote(quoted)
		p, known := s.Properties[name]
		if !known {
			p = s.AdditionalProperties
		}
		if c.nulls && known && value.Kind() == 'n' && !c.admitsNull(p) {
			if changed = true; !slices.Contains(s.Required, name) {
				continue
			}
			value = emptyOf(c.follow(p), value)
		}
		present = append(present, name)
		next := c.value(value, p)
		changed = changed || !same(next, value)
		out = appendMember(out, quoted, next)
	}
	if c.defaults {
		for _, name := range propertyNames(s) {
			if p := s.Properties[name]; p != nil && p.Default != nil && !slices.Contains(present, name) {
				changed = true
				out = appendMember(out, jsonrpc.AppendString(nil, name), c.value(Raw(p.Default), p))
			}
		}
	}
	if !changed {
		return v
	}
	return append(out, '}')
}

// emptyOf returns what null is meant for by clients whose lists and maps may be
// nil: an empty one.
func emptyOf(s *jsonschema.Schema, null Raw) Raw {
	switch s.Type {
	case "array":
		return Raw("[]")
	case "object":
		return Raw("{}")
	}
	return null
}

// admitsNull reports whether null satisfies s, as far as its types tell.
func (c *completion) admitsNull(s *jsonschema.Schema) bool {
	if s != nil && len(s.AnyOf) > 0 {
		return true
	}
	s = c.follow(s)
	return s == nil || s.Type == "" && len(s.Types) == 0 || s.Type == "null" || slices.Contains(s.Types, "null")
}

// propertyNames returns the names of the properties of s in a fixed order.
func propertyNames(s *jsonschema.Schema) []string {
	if len(s.PropertyOrder) == len(s.Properties) {
		return s.PropertyOrder
	}
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// hasDefaults reports whether a property of s, at any depth, has a default.
func hasDefaults(s *jsonschema.Schema) bool {
	if s == nil {
		return false
	}
	for _, p := range s.Properties {
		if p != nil && p.Default != nil || hasDefaults(p) {
			return true
		}
	}
	for _, d := range s.Defs {
		if hasDefaults(d) {
			return true
		}
	}
	return hasDefaults(s.Items) || hasDefaults(s.AdditionalProperties) || slices.ContainsFunc(s.AnyOf, hasDefaults)
}
