// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

const (
	headerKeyword  = "x-mcp-header"
	maxSchemaDepth = 128
)

// HeaderParams returns the arguments that the input schema of a tool wants
// mirrored in headers, in the order of the schema. It fails when an annotation
// is not valid, and then the tool must not be offered or used: the name is not
// an HTTP token or not unique (case does not count), the type is not string,
// integer or boolean, or the annotation stands anywhere but on a property that
// is reached from the root through "properties" alone.
//
// spec 2026-07-28 server/tools#x-mcp-header.
func HeaderParams(inputSchema Raw) ([]HeaderParam, error) {
	if !bytes.Contains(inputSchema, []byte(headerKeyword)) && !bytes.Contains(inputSchema, []byte(`\u`)) {
		return nil, nil
	}
	w := headerWalk{}
	if err := w.schema(inputSchema, 0); err != nil {
		return nil, err
	}
	return w.found, nil
}

// headerWalk walks a schema and gathers annotations.
type headerWalk struct {
	found []HeaderParam
	path  []string // of properties, meaningful while outside is empty
	where []string // JSON pointer tokens of the present schema
	// outside counts the keywords other than "properties" on the way here.
	outside int
}

// Keywords whose value is a schema, an array of schemas or an object of schemas.
// In anything else (enum, default, examples …) the keyword is data.
var (
	schemaKeywords = []string{
		"items", "additionalItems", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contains",
		"contentSchema", "propertyNames", "not", "if", "then", "else", "allOf", "anyOf", "oneOf", "prefixItems",
	}
	schemaMapKeywords = []string{"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)

func (w *headerWalk) schema(schema Raw, depth int) error {
	if depth > maxSchemaDepth {
		return fmt.Errorf("%s: the schema is nested too deep", w.location())
	}
	for quoted, value := range jsonrpc.Members(schema) {
		name, _ := jsonrpc.Unquote(quoted)
		var err error
		switch {
		case name == headerKeyword:
			err = w.annotation(schema, value)
		case slices.Contains(schemaMapKeywords, name):
			err = w.schemaMap(name, value, depth)
		case slices.Contains(schemaKeywords, name):
			w.outside++
			err = w.below(name, value, depth)
			w.outside--
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// below visits a schema, or each of an array of schemas.
func (w *headerWalk) below(keyword string, value Raw, depth int) error {
	w.where = append(w.where, keyword)
	defer func() { w.where = w.where[:len(w.where)-1] }()
	if value.Kind() != '[' {
		return w.schema(value, depth+1)
	}
	for element := range jsonrpc.Elements(value) {
		if err := w.schema(element, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// schemaMap visits the schemas that are the members of an object.
func (w *headerWalk) schemaMap(keyword string, schemas Raw, depth int) error {
	if keyword != "properties" {
		w.outside++
		defer func() { w.outside-- }()
	}
	for quoted, value := range jsonrpc.Members(schemas) {
		name, _ := jsonrpc.Unquote(quoted)
		w.where = append(w.where, keyword, name)
		w.path = append(w.path, name)
		err := w.schema(value, depth+1)
		w.where = w.where[:len(w.where)-2]
		w.path = w.path[:len(w.path)-1]
		if err != nil {
			return err
		}
	}
	return nil
}

// annotation takes in the value of the keyword found in schema.
func (w *headerWalk) annotation(schema, value Raw) error {
	name, ok := jsonrpc.Unquote(value)
	switch {
	case !ok || !isToken(name):
		return fmt.Errorf("%s: %s must be a non-empty HTTP token", w.location(), headerKeyword)
	case w.outside > 0 || len(w.path) == 0:
		return fmt.Errorf("%s: %s may stand only on properties reached through %q alone", w.location(), headerKeyword, "properties")
	}
	typ, _ := jsonrpc.Get(schema, "type")
	kind, _ := jsonrpc.Unquote(typ)
	if kind != "string" && kind != "integer" && kind != "boolean" {
		return fmt.Errorf("%s: %s needs the type string, integer or boolean", w.location(), headerKeyword)
	}
	header := HeaderParamPrefix + name
	for _, p := range w.found {
		if strings.EqualFold(p.Header, header) {
			return fmt.Errorf("%s: %s %q is not unique", w.location(), headerKeyword, name)
		}
	}
	w.found = append(w.found, HeaderParam{Header: header, Path: slices.Clone(w.path), Type: kind})
	return nil
}

// location is the JSON pointer of the present schema.
func (w *headerWalk) location() string {
	if len(w.where) == 0 {
		return "#"
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	b.WriteByte('#')
	for _, token := range w.where {
		b.WriteByte('/')
		b.WriteString(escape.Replace(token))
	}
	return b.String()
}

// isToken reports whether s is an HTTP token: 1*tchar of RFC 9110.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 {
			continue
		}
		return false
	}
	return s != ""
}
