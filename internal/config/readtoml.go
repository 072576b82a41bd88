// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxOpen bounds how many brackets of a TOML file are open at once, those in its
// strings included: the library's reader recurses.
const maxOpen = 1000

// maxExpressions bounds the headers and members of a TOML file: the library takes
// time that grows with the square of their number to see that none is there twice.
const maxExpressions = 10_000

// readTOML reads a TOML document, as Codex keeps its configuration.
func readTOML(data []byte) (*node, *Error) {
	if err := openBrackets(data); err != nil {
		return nil, err
	}
	r := &tomlReader{data: data, line: 1, tables: make(map[*node]map[string]*node)}
	root, wrong := r.document()
	if wrong != nil {
		return nil, wrong
	}
	// This finds what contradicts itself, and hands out neither order nor lines.
	var all map[string]any
	if err := toml.Unmarshal(data, &all); err != nil {
		return nil, tomlError(err)
	}
	if len(all) == 0 {
		return nil, errEmpty()
	}
	return root, nil
}

func openBrackets(data []byte) *Error {
	open := 0
	for i, c := range data {
		switch c {
		case '[', '{':
			open++
		case ']', '}':
			open = max(open-1, 0)
		}
		if open > maxOpen {
			return &Error{Line: lineAt(data, i), Message: "not valid TOML: too many brackets that are not closed"}
		}
	}
	return nil
}

func tomlError(err error) *Error {
	wrong := &Error{Message: "not valid TOML: " + shorten(strings.TrimPrefix(err.Error(), "toml: ")), cause: err}
	if at, ok := errors.AsType[*toml.DecodeError](err); ok {
		wrong.Line, _ = at.Position()
	}
	return wrong
}

// tomlReader builds the tree from the library's expressions, in the order of the
// file and with its lines. That they do not contradict each other is seen elsewhere.
type tomlReader struct {
	builder
	parser      unstable.Parser
	data        []byte
	pos         int // up to where lines are counted
	line        int
	expressions int
	tables      map[*node]map[string]*node // members of mappings by key
}

func (r *tomlReader) document() (*node, *Error) {
	root, err := r.node(kindMap, 1, 0)
	if err != nil {
		return nil, err
	}
	table := root
	r.parser.Reset(r.data)
	for r.parser.NextExpression() {
		switch e := r.parser.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table, err = r.table(root, e)
		case unstable.KeyValue:
			err = r.assign(table, e, 0)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := r.parser.Error(); err != nil {
		return nil, tomlError(err)
	}
	return root, nil
}

// seek moves to the line of a part of the file, which is not before the last one.
func (r *tomlReader) seek(part unstable.Range) {
	if end := int(part.Offset); part.Length > 0 && end > r.pos {
		r.line += bytes.Count(r.data[r.pos:end], []byte("\n"))
		r.pos = end
	}
}

// count counts a header or a member, at the line it stands on.
func (r *tomlReader) count() *Error {
	if r.expressions++; r.expressions > maxExpressions {
		return &Error{Line: r.line, Message: fmt.Sprintf("too many members and tables: over %d", maxExpressions)}
	}
	return nil
}

// table returns the mapping that a header such as [mcp_servers.files] opens.
func (r *tomlReader) table(at *node, e *unstable.Node) (*node, *Error) {
	if err := r.count(); err != nil {
		return nil, err
	}
	keys := e.Key()
	for depth := 1; keys.Next(); depth++ {
		key := keys.Node()
		r.seek(key.Raw)
		k := kindMap
		if keys.IsLast() && e.Kind == unstable.ArrayTable {
			k = kindList
		}
		next, err := r.member(at, string(key.Data), k, depth)
		if err != nil {
			return nil, err
		}
		if k == kindList {
			item, err := r.node(kindMap, r.line, depth+1)
			if err != nil {
				return nil, err
			}
			next.items = append(next.items, item)
		}
		if at = next; at.kind == kindList && len(at.items) > 0 {
			at = at.items[len(at.items)-1]
		}
	}
	return at, nil
}

// assign puts the value of key = value under its key, which may have dots.
func (r *tomlReader) assign(at *node, e *unstable.Node, depth int) *Error {
	if err := r.count(); err != nil {
		return err
	}
	keys := e.Key()
	for keys.Next() {
		key := keys.Node()
		r.seek(key.Raw)
		depth++
		if !keys.IsLast() {
			next, err := r.member(at, string(key.Data), kindMap, depth)
			if err != nil {
				return err
			}
			at = next
			continue
		}
		line := r.line
		value, err := r.value(e.Value(), depth)
		if err != nil {
			return err
		}
		r.put(at, pair{key: string(key.Data), line: line, value: value})
	}
	return nil
}

// member returns the mapping or list under a key, a new one if there is none.
func (r *tomlReader) member(at *node, key string, k kind, depth int) (*node, *Error) {
	if n, ok := r.tables[at][key]; ok {
		return n, nil
	}
	n, err := r.node(k, r.line, depth)
	if err != nil {
		return nil, err
	}
	r.put(at, pair{key: key, line: r.line, value: n})
	return n, nil
}

func (r *tomlReader) put(at *node, m pair) {
	if r.tables[at] == nil {
		r.tables[at] = make(map[string]*node)
	}
	r.tables[at][m.key] = m.value
	at.pairs = append(at.pairs, m)
}

func (r *tomlReader) value(v *unstable.Node, depth int) (*node, *Error) {
	r.seek(v.Raw)
	n, err := r.node(kindString, r.line, depth)
	if err != nil {
		return nil, err
	}
	n.text = string(v.Data) // of dates and times too, which no key of the schema has
	switch v.Kind {
	case unstable.Bool:
		n.kind = kindBool
	case unstable.Integer:
		n.kind, n.text = kindInt, strings.ReplaceAll(n.text, "_", "")
	case unstable.Float:
		n.kind, n.text = kindFloat, strings.ReplaceAll(n.text, "_", "")
	case unstable.Array:
		n.kind, n.text = kindList, ""
		for items := v.Children(); items.Next(); {
			item, err := r.value(items.Node(), depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
	case unstable.InlineTable:
		n.kind, n.text = kindMap, ""
		for members := v.Children(); members.Next(); {
			if err := r.assign(n, members.Node(), depth); err != nil {
				return nil, err
			}
		}
	}
	return n, nil
}
