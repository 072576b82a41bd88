// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Official clients refuse a list for a schema whose root is not what the protocol's
// schema wants, and they compile output schemas while they read it: one keyword with
// a wrong value, however deep, ends that too. So every keyword gets a value that it
// may have. The meaning stays where there was one.

// schemaRepair is the work on one schema. It bounds its depth.
type schemaRepair struct {
	*notes
	output     bool     // clients compile it
	plain      bool     // lists of types are written as alternatives
	references []string // of the whole schema
	depth      int

	required []Raw // names of properties that call themselves required, of the object being looked at
	flagged  bool  // the schema just seen calls itself required
}

// The shapes of keywords' values, but for those that are schemas themselves.
var (
	anyNumber  = &shape{kind: '0'}
	countShape = &shape{kind: '0', fix: count}
	namesShape = &shape{kind: '[', element: anyText}

	anchorShape = &shape{kind: '"', fix: anchor}

	keywordShapes = map[string]*shape{
		"title": anyText, "description": anyText, "format": anyText, "pattern": anyText, "$comment": anyText,
		"$schema": anyText, "$id": anyText, "$anchor": anchorShape, "$dynamicAnchor": anchorShape,
		"$ref": anyText, "$dynamicRef": anyText, "$recursiveRef": anyText,
		"contentEncoding": anyText, "contentMediaType": anyText,
		"minimum": anyNumber, "maximum": anyNumber, "exclusiveMinimum": anyNumber, "exclusiveMaximum": anyNumber,
		"multipleOf": {kind: '0', fix: positive},
		"minLength":  countShape, "maxLength": countShape, "minItems": countShape, "maxItems": countShape,
		"minProperties": countShape, "maxProperties": countShape, "minContains": countShape, "maxContains": countShape,
		"uniqueItems": anyFlag, "nullable": anyFlag, "required": namesShape, "enum": {kind: '[', element: &shape{}},
	}
)

// typeNames are the types of JSON Schema, and what they are called by mistake.
var typeNames = map[string]string{
	"string": "string", "number": "number", "integer": "integer", "boolean": "boolean", "object": "object", "array": "array", "null": "null",
	"str": "string", "text": "string", "int": "integer", "long": "integer", "float": "number", "double": "number", "decimal": "number",
	"bool": "boolean", "dict": "object", "map": "object", "list": "array", "tuple": "array", "none": "null",
}

// Schemas that say true and false in the form that every client and model reads.
var (
	acceptAll  = Raw(`{}`)
	acceptNone = Raw(`{"not":{}}`)
)

// repairSchema repairs a tool's input or output schema, whose root is an object.
func repairSchema(n *notes, schema Raw, output bool) Raw {
	r := schemaRepair{notes: n, output: output, references: referencesOf(schema)}
	r.plain = !output && !slices.ContainsFunc(r.references, leadsInside)
	return r.schema(schema)
}

// schema returns v as a schema that is an object.
func (r *schemaRepair) schema(v Raw) Raw {
	r.flagged = false
	switch v.Kind() {
	case '{':
		if r.depth == maxSchemaDepth {
			r.repair()
			return acceptAll
		}
		r.depth++
		defer func() { r.depth-- }()
		return r.object(v)
	case 't':
		return acceptAll
	case 'f':
		return acceptNone
	case '"':
		name, _ := jsonrpc.Unquote(v)
		if to := typeNames[strings.ToLower(name)]; to != "" {
			r.repair()
			return append(jsonrpc.AppendString(Raw(`{"type":`), to), '}')
		}
	}
	r.repair()
	return acceptAll
}

// object repairs the keywords of a schema, one by one and then together.
func (r *schemaRepair) object(v Raw) Raw {
	outer, flagged, apart := r.required, false, true
	r.required = nil
	out := mapMembers(v, func(name string, value Raw) Raw {
		r.enter(name)
		defer r.leave()
		if name == "required" && kindOf(value) == boolean { // as draft 3 had it
			flagged = value.Kind() == 't'
			r.repair()
			return nil
		}
		value = r.keyword(name, value)
		if slices.Contains(joined, name) && value != nil {
			apart = false
		}
		return value
	})
	if !apart || r.required != nil {
		out = r.together(out)
	}
	r.required, r.flagged = outer, flagged
	return out
}

// keyword repairs the value of one keyword; nil leaves it out.
func (r *schemaRepair) keyword(name string, v Raw) Raw {
	if want := keywordShapes[name]; want != nil {
		return r.shaped(name, v, want)
	}
	switch name {
	case "type":
		return r.types(v)
	case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies":
		return r.schemaMap(name, v)
	case "dependentRequired":
		return r.members(v, func(value Raw) Raw { return r.fit(value, namesShape) })
	case "allOf", "anyOf", "oneOf", "prefixItems":
		return r.schemaList(name, v)
	case "items":
		if v.Kind() == '[' && !isEmpty(v) {
			return r.schemaList("prefixItems", v)
		}
		return r.below(v)
	case "additionalProperties", "additionalItems", "unevaluatedProperties", "unevaluatedItems":
		if meant := anyFlag.meant(v); meant != nil {
			r.repair()
			return meant
		}
		if kindOf(v) == boolean {
			return v
		}
		return r.below(v)
	case "not", "if", "then", "else", "contains", "propertyNames", "contentSchema":
		return r.below(v)
	case "const", "default":
		return v
	}
	if r.output && (slices.Contains(refusedKeywords, name) || identifier.Match(v)) {
		return r.drop()
	}
	return v
}

// shaped repairs the value of a keyword that holds no schemas, but has a shape.
func (r *schemaRepair) shaped(name string, v Raw, want *shape) Raw {
	switch name {
	case "exclusiveMinimum", "exclusiveMaximum":
		if kindOf(v) == boolean { // as draft 4 had them; see together
			return v
		}
	case "pattern":
		if v = r.fit(v, want); v != nil && r.output && !compiles(v) {
			return r.drop()
		}
		return v
	case "$id":
		if r.output && (r.references == nil || r.depth == 1 && !slices.ContainsFunc(r.references, isForeign)) {
			return nil // nobody refers to it, and clients keep one schema for each id of all servers
		}
	case "enum":
		if v = r.fit(v, want); v != nil && isEmpty(v) {
			return r.drop()
		}
		return v
	}
	return r.fit(v, want)
}

// refusedKeywords are no keywords of JSON Schema today, and validators refuse a schema
// that has them: id is of draft 4, the others are inventions of validators.
var refusedKeywords = []string{"id", "$async", "formatMinimum", "formatMaximum", "formatExclusiveMinimum", "formatExclusiveMaximum"}

// identifier finds what validators take for the identity of a schema, where they look
// into the values of unknown keywords too.
var identifier = regexp.MustCompile(`"\$(?:id|anchor|dynamicAnchor)"\s*:`)

// below repairs the one schema that is a keyword's value. Nothing is no schema there.
func (r *schemaRepair) below(v Raw) Raw {
	if v.Kind() == 'n' {
		return r.drop()
	}
	return r.schema(v)
}

// members repairs an object by its members' values.
func (r *schemaRepair) members(v Raw, f func(Raw) Raw) Raw {
	if v = r.fit(v, anyObject); v == nil {
		return nil
	}
	return mapMembers(v, func(name string, value Raw) Raw {
		r.enter(name)
		defer r.leave()
		return f(value)
	})
}

// schemaMap repairs an object of schemas, whose member names are not keywords.
func (r *schemaRepair) schemaMap(keyword string, v Raw) Raw {
	var required []Raw
	v = r.fit(v, anyObject)
	if v == nil {
		return nil
	}
	v = mapMembers(v, func(name string, value Raw) Raw {
		r.enter(name)
		defer r.leave()
		switch {
		case keyword == "dependencies" && value.Kind() == '[':
			return r.fit(value, namesShape)
		case keyword == "patternProperties" && r.output && !compiles(jsonrpc.AppendString(nil, name)):
			return r.drop()
		}
		next := r.schema(value)
		if keyword == "properties" && r.flagged {
			required = append(required, jsonrpc.AppendString(nil, name))
		}
		r.flagged = false
		return next
	})
	r.required = append(r.required, required...)
	return v
}

// schemaList repairs a list of schemas, which must have one at least. In all but
// prefixItems the place of an element means nothing.
func (r *schemaRepair) schemaList(keyword string, v Raw) Raw {
	if v.Kind() == '{' && !isEmpty(v) {
		r.repair()
		v = append(append(Raw("["), v...), ']')
	}
	if v.Kind() != '[' || isEmpty(v) {
		return r.drop()
	}
	v = mapElements(v, func(i int, value Raw) Raw {
		r.enter(strconv.Itoa(i))
		defer r.leave()
		if value.Kind() == 'n' && keyword != "prefixItems" {
			return r.drop()
		}
		return r.schema(value)
	})
	if isEmpty(v) {
		return nil
	}
	return v
}

// types repairs the value of type: one type, or a list of different ones. A type that
// nobody knows is left out, which accepts more and refuses nothing.
func (r *schemaRepair) types(v Raw) Raw {
	if v.Kind() == '"' {
		return r.typeName(v)
	}
	if v.Kind() != '[' {
		return r.drop()
	}
	var all []string
	v = mapElements(v, func(_ int, value Raw) Raw {
		next := r.typeName(value)
		if name := string(next); next == nil || slices.Contains(all, name) {
			return nil
		}
		all = append(all, string(next))
		return next
	})
	switch len(all) {
	case 0:
		return r.drop()
	case 1:
		return Raw(all[0])
	}
	return v
}

func (r *schemaRepair) typeName(v Raw) Raw {
	name, _ := jsonrpc.Unquote(v)
	switch to := typeNames[strings.ToLower(name)]; to {
	case "":
		return r.drop()
	case name:
		return v
	default:
		r.repair()
		return jsonrpc.AppendString(nil, to)
	}
}

// count returns v in digits when it is an integer from 0 on.
func count(v Raw) Raw {
	if v = wholeNumber(v); v == nil || v[0] == '-' {
		return nil
	}
	return v
}

var anchorForm = regexp.MustCompile(`^"[A-Za-z_][-A-Za-z0-9._]*"$`)

// anchor returns v when it can be the name of a place in a schema.
//
// JSON Schema 2020-12 core 8.2.2.
func anchor(v Raw) Raw {
	if !anchorForm.Match(v) {
		return nil
	}
	return v
}

// positive returns v when it is more than 0.
func positive(v Raw) Raw {
	if f, err := strconv.ParseFloat(string(v), 64); err != nil || f <= 0 {
		return nil
	}
	return v
}
