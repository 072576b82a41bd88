// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"strconv"
)

// integerOf returns the integer that a number with a fraction of zeros or with an
// exponent stands for.
func integerOf(v Raw) (Raw, bool) {
	if len(v) == 0 || v.Kind() != '0' || isInteger(v) || len(v) > maxIDBytes || !v.IsValid() {
		return nil, false
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if n := int64(f); err == nil && float64(n) == f && n > -1<<53 && n < 1<<53 {
		return Raw(strconv.FormatInt(n, 10)), true
	}
	return nil, false
}

// Integer returns the integer that v stands for: a number without a fraction,
// however it is spelled, or text of one. Peers send ids back as another type.
func Integer(v Raw) (int64, bool) {
	if text, ok := Unquote(v); ok {
		v = Raw(text)
	}
	if whole, ok := integerOf(v); ok {
		v = whole
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil
}

// peekResponse returns a Message with the id of what cannot be read, and with the
// method, if it is not a response.
func peekResponse(text []byte) Message {
	m := Message{ID: PeekID(text)}
	if s := scan(text, '{'); s.object {
		m.Method, _ = Unquote(s.envelope().method)
	}
	return m
}

// PeekID returns the id of a message that cannot be read as a whole, the zero ID
// when it cannot be found or is not the only one. Members are looked at as far as
// the brackets allow, and the end of the text, where many implementations put it.
func PeekID(data []byte) ID {
	var found Raw
	for s := scan(data, '{'); s.next(); {
		if !s.named("id") {
			continue
		}
		if found != nil {
			return ID{}
		}
		found = s.value()
	}
	if found == nil {
		found = lastID(data)
	}
	return lenientID(found)
}

// idAtEnd returns the id that the end of a message says, the zero ID if it says none.
func idAtEnd(tail []byte) ID { return lenientID(lastID(tail)) }

func lenientID(v Raw) ID {
	if whole, ok := integerOf(v); ok {
		v = whole
	}
	id, err := ParseID(v)
	if err != nil {
		return ID{}
	}
	return id
}

// lastID returns the value of the member "id" that the text ends with, but for the
// version behind it.
func lastID(data []byte) Raw {
	rest, ok := bytes.CutSuffix(bytes.TrimSpace(data[max(0, len(data)-2*maxIDBytes):]), []byte("}"))
	if !ok {
		return nil
	}
	rest = bytes.TrimSpace(rest)
	for _, version := range []string{`,"jsonrpc":"2.0"`, `, "jsonrpc": "2.0"`} {
		rest = bytes.TrimSuffix(rest, []byte(version))
	}
	const name = `"id":`
	i := bytes.LastIndex(rest, []byte(name))
	if i < 1 || rest[i-1] == '\\' {
		return nil
	}
	return Raw(bytes.TrimSpace(rest[i+len(name):]))
}
