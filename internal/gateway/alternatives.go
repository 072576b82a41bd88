// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"regexp"
	"slices"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// joined are keywords that mean something only with others, see together.
var joined = []string{"exclusiveMinimum", "exclusiveMaximum", "nullable", "type"}

// together repairs what depends on several keywords of a schema.
func (r *schemaRepair) together(v Raw) Raw {
	v = r.bound(v, "exclusiveMinimum", "minimum")
	v = r.bound(v, "exclusiveMaximum", "maximum")
	if r.required != nil {
		v = requireMore(v, r.required)
	}
	typ, _ := jsonrpc.Get(v, "type")
	if nullable, has := jsonrpc.Get(v, "nullable"); has && (nullable.Kind() == 'f' || typ.Kind() != '"') {
		v = jsonrpc.Delete(v, "nullable") // it means something beside one type only
	}
	if typ.Kind() == '[' && r.plain && r.depth > 1 {
		return alternatives(v, typ)
	}
	return v
}

// bound makes a bound out of a flag that says that another bound is exclusive, as
// draft 4 had it.
func (r *schemaRepair) bound(v Raw, flag, of string) Raw {
	exclusive, has := jsonrpc.Get(v, flag)
	if !has || kindOf(exclusive) != boolean {
		return v
	}
	r.repair()
	limit, bounded := jsonrpc.Get(v, of)
	if !bounded || exclusive.Kind() == 'f' {
		return jsonrpc.Delete(v, flag)
	}
	return jsonrpc.Set(jsonrpc.Delete(v, of), flag, limit)
}

// requireMore adds names to those that a schema requires.
func requireMore(v Raw, names []Raw) Raw {
	required, _ := jsonrpc.Get(v, "required")
	out := Raw("[")
	for name := range jsonrpc.Elements(required) {
		out = append(separate(out), name...)
		names = slices.DeleteFunc(names, func(other Raw) bool { return string(other) == string(name) })
	}
	for _, name := range names {
		out = append(separate(out), name...)
	}
	return jsonrpc.Set(v, "required", append(out, ']'))
}

// typeKeywords are the keywords that concern values of one type alone.
var typeKeywords = map[string][]string{
	"array":   {"items", "prefixItems", "additionalItems", "contains", "minContains", "maxContains", "minItems", "maxItems", "uniqueItems"},
	"object":  {"properties", "patternProperties", "additionalProperties", "propertyNames", "required", "minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "dependencies"},
	"string":  {"minLength", "maxLength", "pattern", "format", "contentEncoding", "contentMediaType", "contentSchema"},
	"number":  numberKeywords,
	"integer": numberKeywords,
}

var numberKeywords = []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}

// alternatives writes a schema for several types, such as a string or null, as one
// alternative for each, which is how models read it that take one type alone. What
// concerns one type goes to its alternative; the meaning is the same.
func alternatives(v, types Raw) Raw {
	for _, other := range []string{"anyOf", "unevaluatedProperties", "unevaluatedItems"} {
		if _, has := jsonrpc.Get(v, other); has {
			return v
		}
	}
	values, listed := jsonrpc.Get(v, "enum")
	moved := []string{"type", "enum"}
	var branches []Raw
	for typ := range jsonrpc.Elements(types) {
		name, _ := jsonrpc.Unquote(typ)
		branch := append(append(Raw(`{"type":`), typ...), '}')
		for _, keyword := range typeKeywords[name] {
			if value, has := jsonrpc.Get(v, keyword); has {
				branch, moved = jsonrpc.Set(branch, keyword, value), append(moved, keyword)
			}
		}
		if listed {
			some := mapElements(values, func(_ int, value Raw) Raw {
				if isOf(value, name) {
					return value
				}
				return nil
			})
			if isEmpty(some) {
				continue // no value of this type is accepted
			}
			if name != "null" {
				branch = jsonrpc.Set(branch, "enum", some)
			}
		}
		branches = append(branches, branch)
	}
	rest := jsonrpc.Delete(v, moved...)
	switch len(branches) {
	case 0:
		return v
	case 1:
		for name, value := range jsonrpc.Members(branches[0]) {
			plain, _ := jsonrpc.Unquote(name)
			rest = jsonrpc.Set(rest, plain, value)
		}
		return rest
	}
	list := Raw("[")
	for _, branch := range branches {
		list = append(separate(list), branch...)
	}
	return jsonrpc.Set(rest, "anyOf", append(list, ']'))
}

// isOf reports whether a value is of a type of JSON Schema.
func isOf(v Raw, typ string) bool {
	switch v.Kind() {
	case '"':
		return typ == "string"
	case '0':
		return typ == "number" || typ == "integer" && wholeNumber(v) != nil
	case 't', 'f':
		return typ == "boolean"
	case 'n':
		return typ == "null"
	case '{':
		return typ == "object"
	case '[':
		return typ == "array"
	}
	return false
}

var (
	reference  = regexp.MustCompile(`"\$(?:ref|dynamicRef|recursiveRef)"\s*:\s*("(?:[^"\\]|\\.)*")`)
	definition = regexp.MustCompile(`^(?:|#|#[^/].*|#/(?:\$defs|definitions)/[^/]+)$`)
)

// referencesOf returns what the references of a schema name.
func referencesOf(schema Raw) []string {
	var all []string
	for _, found := range reference.FindAllSubmatch(schema, -1) {
		target, _ := jsonrpc.Unquote(found[1])
		all = append(all, target)
	}
	return all
}

// leadsInside reports whether a reference is to anything but the schema itself and
// whole definitions: it would not find what alternatives moves.
func leadsInside(target string) bool { return !definition.MatchString(target) }

// isForeign reports whether a reference names a document.
func isForeign(target string) bool { return target != "" && target[0] != '#' }
