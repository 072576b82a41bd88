// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import "bytes"

// Edit is one change to the top-level members of an object: Name gets Value; a
// nil Value takes it out.
type Edit struct {
	Name  string
	Value Raw
}

// maxEdits is what AppendEdited can keep track of.
const maxEdits = 64

// AppendEdited appends obj to dst with all edits made, in one pass: values are
// replaced where they stand, new members come last, in the order of edits. The
// bytes and the order of the other members stay. A nil obj counts as an empty
// object. Each name may be edited once; it panics on more than 64 edits.
func AppendEdited(dst []byte, obj Raw, edits ...Edit) []byte {
	if len(edits) > maxEdits {
		panic("jsonrpc: too many edits at once")
	}
	s := scan(obj, '{')
	if !s.object {
		obj = Raw("{}")
		s = scan(obj, '{')
	}
	var made uint64    // bit i: edits[i] found its member
	from, kept := 0, 0 // from: first byte of obj not yet copied or dropped
	for s.next() {
		i := s.edited(edits)
		if i < 0 {
			kept++
			continue
		}
		made |= 1 << i
		if value := edits[i].Value; value != nil {
			dst = append(dst, obj[from:s.start]...)
			dst = append(dst, value...)
			kept++
		} else if s.before > from {
			dst = append(dst, obj[from:s.before]...)
		}
		if from = s.end; kept == 0 {
			from = skipComma(obj, from)
		}
	}
	closing := bytes.LastIndexByte(obj, '}')
	if closing < from {
		return append(dst, '}') // obj was not valid
	}
	dst = append(dst, obj[from:closing]...)
	for i := range edits {
		if made&(1<<i) == 0 && edits[i].Value != nil {
			if kept++; kept > 1 {
				dst = append(dst, ',')
			}
			dst = append(AppendString(dst, edits[i].Name), ':')
			dst = append(dst, edits[i].Value...)
		}
	}
	return append(dst, obj[closing:]...)
}

// edited returns which edit is about the member, or -1.
func (s *scanner) edited(edits []Edit) int {
	for i := range edits {
		if s.named(edits[i].Name) {
			return i
		}
	}
	return -1
}

// skipComma returns the index after the comma at i, white space before it
// included, or i when there is none.
func skipComma(data []byte, i int) int {
	if at := skipSpace(data, i); at < len(data) && data[at] == ',' {
		return at + 1
	}
	return i
}
