// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// readJSON reads JSON as clients write it: with comments and trailing commas,
// which VS Code and Zed leave in their files. A repeated name is left in the
// tree, so that it can be reported with both lines.
func readJSON(data []byte) (*node, *Error) {
	text, err := plainJSON(data)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errEmpty()
	}
	r := &jsonReader{text: text, line: 1,
		dec: jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))}
	n, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, tail := r.dec.ReadToken(); !errors.Is(tail, io.EOF) {
		r.seek()
		return nil, &Error{Line: r.line, Message: "not valid JSON: more text after the end of the value"}
	}
	return n, nil
}

func errEmpty() *Error {
	return &Error{Message: "the file is empty", Hint: "holdfast init writes one to start from"}
}

// jsonReader builds the tree from tokens and keeps count of lines.
type jsonReader struct {
	builder
	dec  *jsontext.Decoder
	text []byte
	pos  int // up to where lines are counted
	line int
}

// seek moves to the start of the token that comes next.
func (r *jsonReader) seek() {
	end := int(r.dec.InputOffset())
	for end < len(r.text) && strings.IndexByte(" \t\r\n,:", r.text[end]) >= 0 {
		end++
	}
	r.line += bytes.Count(r.text[r.pos:end], []byte("\n"))
	r.pos = end
}

func (r *jsonReader) token() (jsontext.Token, *Error) {
	r.seek()
	tok, err := r.dec.ReadToken()
	if err == nil {
		return tok, nil
	}
	wrong := &Error{Line: r.line, Message: "not valid JSON", cause: err}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		wrong.Line = lineAt(r.text, int(syntax.ByteOffset))
		wrong.Message += ": " + syntax.Err.Error()
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		wrong.Line = lineAt(r.text, len(bytes.TrimRight(r.text, " \t\r\n")))
		wrong.Message = "not valid JSON: the file ends inside a value"
	}
	return tok, wrong
}

func (r *jsonReader) value(depth int) (*node, *Error) {
	tok, err := r.token()
	if err != nil {
		return nil, err
	}
	n, err := r.node(kindNull, r.line, depth)
	if err != nil {
		return nil, err
	}
	switch tok.Kind() {
	case 't', 'f':
		n.kind, n.text = kindBool, tok.String()
	case '"':
		n.kind, n.text = kindString, tok.String()
	case '0':
		n.kind, n.text = kindInt, tok.String()
		if strings.ContainsAny(n.text, ".eE") {
			n.kind = kindFloat
		}
	case '[':
		n.kind = kindList
		return n, r.list(n, depth)
	case '{':
		n.kind = kindMap
		return n, r.object(n, depth)
	}
	return n, nil
}

func (r *jsonReader) list(n *node, depth int) *Error {
	for r.dec.PeekKind() != ']' {
		item, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, err := r.token()
	return err
}

func (r *jsonReader) object(n *node, depth int) *Error {
	for r.dec.PeekKind() != '}' {
		name, err := r.token()
		if err != nil {
			return err
		}
		member := pair{key: name.String(), line: r.line}
		if member.value, err = r.value(depth + 1); err != nil {
			return err
		}
		n.pairs = append(n.pairs, member)
	}
	_, err := r.token()
	return err
}

// plainJSON blanks out comments and trailing commas. Offsets and lines stay.
func plainJSON(data []byte) ([]byte, *Error) {
	out := bytes.Clone(data)
	comma := -1         // a comma that only blanks have followed
	before := byte('[') // the last byte that counts, ahead of that comma
	for i := 0; i < len(out); {
		switch c := out[i]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
		case c == '/':
			end := commentEnd(out, i)
			if end == i {
				return out, nil // not a comment: the decoder says what is wrong
			}
			if end < 0 {
				return nil, &Error{Line: lineAt(data, i), Message: "not valid JSON: a comment /* without its */"}
			}
			blank(out[i:end])
			i = end
		case c == ',':
			if before != ',' && before != '[' && before != '{' {
				comma = i
			}
			before = c
			i++
		default:
			if comma >= 0 && (c == ']' || c == '}') {
				out[comma] = ' '
			}
			comma, before = -1, c
			if c == '"' {
				i = stringEnd(out, i)
			} else {
				i++
			}
		}
	}
	return out, nil
}

// commentEnd returns where the comment at i ends, i if none begins there, and -1
// if it never ends.
func commentEnd(data []byte, i int) int {
	switch rest := data[i:]; {
	case bytes.HasPrefix(rest, []byte("//")):
		if n := bytes.IndexByte(rest, '\n'); n >= 0 {
			return i + n
		}
		return len(data)
	case bytes.HasPrefix(rest, []byte("/*")):
		if n := bytes.Index(rest[2:], []byte("*/")); n >= 0 {
			return i + 2 + n + 2
		}
		return -1
	}
	return i
}

// stringEnd returns the offset behind the string that begins at i.
func stringEnd(data []byte, i int) int {
	for i++; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}

func blank(data []byte) {
	for i, c := range data {
		if c != '\n' {
			data[i] = ' '
		}
	}
}
