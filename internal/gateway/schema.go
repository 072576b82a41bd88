// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Bounds on a schema that has references.
const (
	maxSchemaDepth = 128
	maxSchemaNodes = 20_000
	maxPointers    = 8 << 20 // bytes
)

var (
	errSchemaDepth = errors.New("nested too deep")
	errSchemaNodes = errors.New("too many parts")
)

// Keywords of JSON Schema, all drafts together.
var (
	// refKeywords refer to another schema.
	refKeywords = []string{"$ref", "$dynamicRef", "$recursiveRef"}
	// inPlaceKeywords hold schemas for the same value, as opposed to its parts:
	// a circle of references through these alone never ends.
	inPlaceKeywords = []string{"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"}
	// mapKeywords hold objects whose member names are not keywords.
	mapKeywords = []string{"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
	// dataKeywords hold values, not schemas.
	dataKeywords = []string{"enum", "const", "default", "examples", "example"}
)

// repairRefs removes from a schema the references that must not be followed:
// those to other documents, those that lead nowhere, and those that close a
// circle without ever descending into the value. Without its reference, that
// place accepts everything. Recursive schemas stay. It returns schema itself
// and no list when there is nothing to do, and an error when the schema is too
// much to look at.
//
// spec 2026-07-28 server/tools: implementations must not fetch what a $ref names.
func repairRefs(schema Raw) (Raw, []string, error) {
	if !bytes.Contains(schema, []byte("Ref")) && !bytes.Contains(schema, []byte("$ref")) && !bytes.Contains(schema, []byte(`\u`)) {
		return schema, nil, nil
	}
	s := schemaScan{nodes: map[string]*schemaNode{}, ids: map[string]string{}, anchors: map[string]string{}, plain: map[string]bool{}}
	if err := s.walk(schema, "", "", 0); err != nil {
		return nil, nil, err
	}
	s.resolve()
	for _, n := range s.order {
		s.unwind(n)
	}
	var removed []string
	for _, n := range s.order {
		for _, r := range n.refs {
			if r.why != "" {
				removed = append(removed, r.why+" "+display.Quote(r.target))
			}
		}
	}
	if removed == nil {
		return schema, nil, nil
	}
	return s.rewrite(schema, ""), removed, nil
}

// schemaNode is one object of a schema that can be referred to.
type schemaNode struct {
	pointer string
	base    string // pointer of the schema resource it belongs to
	refs    []*schemaRef
	inPlace []string // pointers of the schemas for the same value
	state   int8     // of the search for circles
}

// schemaRef is one reference.
type schemaRef struct {
	keyword, target string
	to              string // pointer of what it leads to
	why             string // it is removed; empty when it stays
}

// schemaScan is the work on one schema.
type schemaScan struct {
	nodes   map[string]*schemaNode // by JSON pointer
	order   []*schemaNode          // parents first
	ids     map[string]string      // $id → pointer
	anchors map[string]string      // anchor → pointer
	plain   map[string]bool        // pointers of true and false, schemas too
	size    int                    // bytes of all pointers
	path    []*schemaRef           // references followed in the search for circles
}

// walk notes the objects of v and below. pointer is where v is.
func (s *schemaScan) walk(v Raw, pointer, base string, depth int) error {
	if s.size += len(pointer); s.size > maxPointers {
		return errSchemaNodes
	}
	switch {
	case depth > maxSchemaDepth:
		return errSchemaDepth
	case v.Kind() == 't' || v.Kind() == 'f':
		s.plain[pointer] = true
		return nil
	case v.Kind() == '[':
		i := 0
		for element := range jsonrpc.Elements(v) {
			if err := s.walk(element, pointer+"/"+strconv.Itoa(i), base, depth+1); err != nil {
				return err
			}
			i++
		}
		return nil
	case v.Kind() != '{':
		return nil
	case len(s.order) == maxSchemaNodes:
		return errSchemaNodes
	}
	n := &schemaNode{pointer: pointer, base: base}
	s.nodes[pointer] = n
	s.order = append(s.order, n)
	if id := cmp.Or(text(v, "$id"), text(v, "id")); id != "" && !strings.HasPrefix(id, "#") {
		n.base = pointer
		s.ids[strings.TrimSuffix(id, "#")] = pointer
	}
	for quoted, value := range jsonrpc.Members(v) {
		name, _ := jsonrpc.Unquote(quoted)
		if err := s.member(n, name, value, depth); err != nil {
			return err
		}
	}
	return nil
}

// member notes one member of a schema object.
func (s *schemaScan) member(n *schemaNode, name string, value Raw, depth int) error {
	at := n.pointer + "/" + escapeToken(name)
	word, isText := jsonrpc.Unquote(value)
	switch {
	case slices.Contains(refKeywords, name) && isText:
		n.refs = append(n.refs, &schemaRef{keyword: name, target: word})
		return nil
	case (name == "$anchor" || name == "$dynamicAnchor") && isText:
		s.anchors[word] = n.pointer
		return nil
	case slices.Contains(dataKeywords, name):
		return nil
	case slices.Contains(mapKeywords, name) && value.Kind() == '{':
		for quoted, inner := range jsonrpc.Members(value) {
			key, _ := jsonrpc.Unquote(quoted)
			below := at + "/" + escapeToken(key)
			if name == "dependentSchemas" {
				n.inPlace = append(n.inPlace, below)
			}
			if err := s.walk(inner, below, n.base, depth+1); err != nil {
				return err
			}
		}
		return nil
	case slices.Contains(inPlaceKeywords, name):
		n.inPlace = append(n.inPlace, at)
		for i := range countElements(value) {
			n.inPlace = append(n.inPlace, at+"/"+strconv.Itoa(i))
		}
	}
	return s.walk(value, at, n.base, depth+1)
}

// resolve finds where each reference leads.
func (s *schemaScan) resolve() {
	for _, n := range s.order {
		for _, r := range n.refs {
			document, fragment, _ := strings.Cut(r.target, "#")
			base := n.base
			if document != "" {
				at, ours := s.ids[document]
				if !ours {
					r.why = "remote reference"
					continue
				}
				base = at
			}
			var ok bool
			if r.to, ok = s.locate(base, fragment); !ok {
				r.why = "reference to nothing,"
			}
		}
	}
}

// locate returns the pointer that a fragment means below base.
func (s *schemaScan) locate(base, fragment string) (string, bool) {
	if fragment != "" && fragment[0] != '/' {
		at, ok := s.anchors[fragment]
		return at, ok
	}
	decoded, err := url.PathUnescape(fragment)
	if err != nil {
		return "", false
	}
	for _, pointer := range []string{base + decoded, decoded} {
		if s.nodes[pointer] != nil || s.plain[pointer] {
			return pointer, true
		}
	}
	return "", false
}

// States of the search.
const (
	entered = 1
	left    = 2
)

// unwind follows what is said of the same value, depth first, and removes the
// last reference of each circle.
func (s *schemaScan) unwind(n *schemaNode) {
	if n == nil || n.state == left {
		return
	}
	if n.state == entered {
		s.path[len(s.path)-1].why = "circular reference" // a circle without a reference cannot be
		return
	}
	n.state = entered
	for _, at := range n.inPlace {
		s.unwind(s.nodes[at])
	}
	for _, r := range n.refs {
		if r.why == "" {
			s.path = append(s.path, r)
			s.unwind(s.nodes[r.to])
			s.path = s.path[:len(s.path)-1]
		}
	}
	n.state = left
}

// rewrite returns v without the references that have a reason to go.
func (s *schemaScan) rewrite(v Raw, pointer string) Raw {
	switch v.Kind() {
	case '{':
		out := append(make(Raw, 0, len(v)), '{')
		for quoted, value := range jsonrpc.Members(v) {
			name, _ := jsonrpc.Unquote(quoted)
			if s.goes(pointer, name) {
				continue
			}
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(append(out, quoted...), ':')
			out = append(out, s.rewrite(value, pointer+"/"+escapeToken(name))...)
		}
		return append(out, '}')
	case '[':
		out := append(make(Raw, 0, len(v)), '[')
		i := 0
		for element := range jsonrpc.Elements(v) {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, s.rewrite(element, pointer+"/"+strconv.Itoa(i))...)
			i++
		}
		return append(out, ']')
	}
	return v
}

// goes reports whether the member is a reference to be removed.
func (s *schemaScan) goes(pointer, name string) bool {
	n := s.nodes[pointer]
	return n != nil && slices.ContainsFunc(n.refs, func(r *schemaRef) bool { return r.keyword == name && r.why != "" })
}

var tokenEscape = strings.NewReplacer("~", "~0", "/", "~1")

func escapeToken(name string) string { return tokenEscape.Replace(name) }

func countElements(v Raw) int {
	n := 0
	if v.Kind() == '[' {
		for range jsonrpc.Elements(v) {
			n++
		}
	}
	return n
}
