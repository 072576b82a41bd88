// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Bounds on how a schema is read for its words, and on one that is made short.
const (
	maxWordDepth  = 6
	maxWordBytes  = 16 << 10
	maxPartValues = 512 // bytes of any member but a description
)

// partBounds are tried in turn: how deep a short schema goes, and how many bytes
// of each description it has.
var partBounds = []struct{ depth, text int }{{3, 120}, {2, 120}, {1, 120}, {1, 0}}

// schemaWords returns the names, descriptions and values that a schema has for
// what a tool takes.
func schemaWords(schema Raw) string {
	var b strings.Builder
	appendWords(&b, schema, 0)
	return b.String()
}

func appendWords(b *strings.Builder, v Raw, depth int) {
	if depth > maxWordDepth || b.Len() > maxWordBytes {
		return
	}
	say := func(quoted Raw) {
		if s, ok := jsonrpc.Unquote(quoted); ok {
			b.WriteString(display.Cut(s, maxWordBytes))
			b.WriteByte(' ')
		}
	}
	if v.Kind() == '[' {
		for element := range jsonrpc.Elements(v) {
			appendWords(b, element, depth+1)
		}
		return
	}
	for quoted, value := range jsonrpc.Members(v) {
		switch name, _ := jsonrpc.Unquote(quoted); name {
		case "description", "title":
			if depth > 0 { // at the top it is the tool's again
				say(value)
			}
		case "properties":
			for property, schema := range jsonrpc.Members(value) {
				say(property)
				appendWords(b, schema, depth+1)
			}
		case "enum":
			for element := range jsonrpc.Elements(value) {
				say(element)
			}
		case "items", "anyOf", "oneOf", "allOf", "additionalProperties":
			appendWords(b, value, depth+1)
		}
	}
}

// shortSchema returns an input schema in at most that many bytes: itself, or one
// that accepts no less and still names, with their types, as many of its
// properties as there is room for, the outer ones first.
func shortSchema(schema Raw, most int) Raw {
	if len(schema) <= most {
		return schema
	}
	for _, b := range partBounds {
		if short := schemaPart(schema, b.depth, b.text); len(short) <= most {
			return short
		}
	}
	return plainSchema
}

// schemaPart returns what a schema says down to a depth, with at most that many
// bytes of each description. Members
// that could not be understood without the rest, such as references, are left out.
func schemaPart(schema Raw, depth, most int) Raw {
	if schema.Kind() != '{' {
		return schema
	}
	part := Raw(`{}`)
	for quoted, value := range jsonrpc.Members(schema) {
		name, _ := jsonrpc.Unquote(quoted)
		switch name {
		case "type", "format", "enum", "const", "required":
			if len(value) > maxPartValues {
				continue
			}
		case "description":
			whole, _ := jsonrpc.Unquote(value)
			if most == 0 {
				continue
			}
			if short := display.Cut(whole, most); short != whole {
				value = jsonrpc.AppendString(nil, short+"…")
			}
		case "properties":
			if depth == 0 {
				continue
			}
			value = eachPart(value, depth-1, most)
		case "items":
			if depth == 0 || value.Kind() != '{' {
				continue
			}
			value = schemaPart(value, depth-1, most)
		default:
			continue
		}
		part = jsonrpc.Set(part, name, value)
	}
	return part
}

// eachPart is [schemaPart] of every property.
func eachPart(properties Raw, depth, most int) Raw {
	out := Raw(`{`)
	for quoted, schema := range jsonrpc.Members(properties) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, quoted...), ':'), schemaPart(schema, depth, most)...)
	}
	return append(out, '}')
}
