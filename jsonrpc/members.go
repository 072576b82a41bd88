// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// The functions of this file work on the bytes of one object (or array) that is
// known to be valid JSON, such as what [Decode] let in. They look at structure
// only and decode no value. Given anything else they do not panic, but what
// they return means nothing.

// Get returns the value of the top-level member called name. The value aliases
// obj. It reports false when there is none or obj is not an object.
func Get(obj Raw, name string) (Raw, bool) {
	s := scan(obj, '{')
	for s.next() {
		if s.named(name) {
			return s.value(), true
		}
	}
	return nil, false
}

// Set returns obj with the top-level member name set to value: replaced where
// it stands, or appended. The bytes and the order of the other members stay.
// The result is new; obj is not modified. A nil obj counts as an empty object.
func Set(obj Raw, name string, value Raw) Raw {
	s := scan(obj, '{')
	for s.next() {
		if s.named(name) {
			out := make(Raw, 0, len(obj)-(s.end-s.start)+len(value))
			out = append(out, obj[:s.start]...)
			out = append(out, value...)
			return append(out, obj[s.end:]...)
		}
	}
	closing := bytes.LastIndexByte(obj, '}')
	if closing < 0 {
		obj, closing = Raw("{}"), 1
	}
	out := make(Raw, 0, len(obj)+len(name)+len(value)+len(`,"":`))
	out = append(out, obj[:closing]...)
	if s.count > 0 {
		out = append(out, ',')
	}
	out = AppendString(out, name)
	out = append(out, ':')
	out = append(out, value...)
	return append(out, obj[closing:]...)
}

// Delete returns obj without the top-level members of the given names. The
// bytes and the order of the others stay. It returns obj itself when none of
// the names is there, else new bytes.
func Delete(obj Raw, names ...string) Raw {
	var out Raw
	s := scan(obj, '{')
	kept, from := 0, 0 // from: first byte of obj not yet copied or dropped
	for s.next() {
		if !s.namedAny(names) {
			kept++
			continue
		}
		if out == nil {
			out = make(Raw, 0, len(obj))
		}
		out = append(out, obj[from:s.before]...)
		from = s.end
	}
	if out == nil {
		return obj
	}
	out = append(out, obj[from:]...)
	if kept > 0 {
		dropLeadingComma(&out)
	}
	return out
}

// dropLeadingComma removes the comma that stands first in an object whose first
// member was deleted.
func dropLeadingComma(obj *Raw) {
	b := *obj
	i := skipSpace(b, bytes.IndexByte(b, '{')+1)
	if i < len(b) && b[i] == ',' {
		*obj = append(b[:i], b[i+1:]...) //nolint:gocritic // b is what obj was
	}
}

// Members iterates over the top-level members of obj: the name as it is quoted
// in the text, and the value. Both alias obj.
func Members(obj Raw) iter.Seq2[Raw, Raw] {
	return func(yield func(name, value Raw) bool) {
		s := scan(obj, '{')
		for s.next() {
			if !yield(s.name(), s.value()) {
				return
			}
		}
	}
}

// Elements iterates over the elements of arr, which alias it.
func Elements(arr Raw) iter.Seq[Raw] {
	return func(yield func(Raw) bool) {
		s := scan(arr, '[')
		for s.next() {
			if !yield(s.value()) {
				return
			}
		}
	}
}

// Unquote returns the string that the JSON string raw stands for, and false
// when raw is not a string.
func Unquote(raw Raw) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	s, err := jsontext.AppendUnquote(nil, raw)
	return string(s), err == nil
}

// scanner walks the members of an object or the elements of an array.
type scanner struct {
	data               []byte
	pos                int
	object             bool
	count              int
	before             int // the comma in front of the member, or its first byte
	nameStart, nameEnd int // with the quotes
	start, end         int // of the value
}

// scan returns a scanner over data, an object or array opened by open. Of
// anything else it yields nothing.
func scan(data []byte, open byte) scanner {
	i := skipSpace(data, 0)
	if i >= len(data) || data[i] != open {
		return scanner{}
	}
	return scanner{data: data, pos: i + 1, object: open == '{'}
}

// next moves to the next member and reports whether there is one.
func (s *scanner) next() bool { return s.begin() && s.finish() }

// begin moves to the next member, and finish to its end.
func (s *scanner) begin() bool {
	s.before = s.pos
	i := skipSpace(s.data, s.pos)
	if i < len(s.data) && s.data[i] == ',' {
		s.before = i
		i = skipSpace(s.data, i+1)
	} else {
		s.before = i
	}
	if i >= len(s.data) || s.data[i] == '}' || s.data[i] == ']' {
		return false
	}
	if s.object {
		if s.data[i] != '"' {
			return false
		}
		s.nameStart = i
		s.nameEnd = endOfString(s.data, i) + 1
		i = skipSpace(s.data, s.nameEnd)
		if i >= len(s.data) || s.data[i] != ':' {
			return false
		}
		i = skipSpace(s.data, i+1)
	}
	s.start = i
	s.count++
	return i < len(s.data)
}

func (s *scanner) finish() bool {
	s.end = endOfValue(s.data, s.start)
	s.pos = s.end
	return s.end > s.start
}

func (s *scanner) name() Raw  { return s.data[s.nameStart:s.nameEnd:s.nameEnd] }
func (s *scanner) value() Raw { return s.data[s.start:s.end:s.end] }

// named reports whether the member is called name, however it is escaped.
func (s *scanner) named(name string) bool {
	quoted := s.data[s.nameStart:s.nameEnd]
	if len(quoted) < len(name)+2 {
		return false // escapes only lengthen a name
	}
	inner := quoted[1 : len(quoted)-1]
	if len(inner) == len(name) && string(inner) == name {
		return true
	}
	if bytes.IndexByte(inner, '\\') < 0 {
		return false
	}
	unquoted, ok := Unquote(quoted)
	return ok && unquoted == name
}

func (s *scanner) namedAny(names []string) bool {
	for _, name := range names {
		if s.named(name) {
			return true
		}
	}
	return false
}

// skipSpace returns the index of the first byte from i on that is not JSON whitespace.
func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t') {
		i++
	}
	return i
}

// endOfValue returns the index just after the value that begins at i.
func endOfValue(data []byte, i int) int {
	if i >= len(data) {
		return i
	}
	switch data[i] {
	case '"':
		return endOfString(data, i) + 1
	case '{', '[':
		return endOfNested(data, i)
	}
	for i < len(data) {
		switch data[i] {
		case ',', '}', ']', ' ', '\n', '\r', '\t':
			return i
		}
		i++
	}
	return i
}

// endOfNested returns the index just after the object or array that begins at i.
func endOfNested(data []byte, i int) int {
	depth := 0
	for ; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = endOfString(data, i)
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(data)
}
