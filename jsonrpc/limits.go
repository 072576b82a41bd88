// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import "bytes"

// Limits bound one message or batch before it is parsed. A zero field means no
// limit, except where a caller says otherwise.
type Limits struct {
	Bytes int // length of the text
	Depth int // nesting of arrays and objects
	Keys  int // object members in total
	Batch int // messages in a batch
}

// DefaultLimits are generous for people and small for attackers.
func DefaultLimits() Limits {
	return Limits{Bytes: 4 << 20, Depth: 128, Keys: 100_000, Batch: 100}
}

// check walks the bytes once, without allocation. It counts nesting and members
// outside strings; whether the text is JSON at all is the decoder's question.
func (l Limits) check(data []byte) error {
	if l.Bytes > 0 && len(data) > l.Bytes {
		return Errorf(CodeInvalidRequest, "message of %d bytes is over the limit of %d", len(data), l.Bytes)
	}
	if l.surely(data) {
		return nil
	}
	depth, keys := 0, 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = endOfString(data, i)
		case '{', '[':
			depth++
			if l.Depth > 0 && depth > l.Depth {
				return Errorf(CodeInvalidRequest, "message is nested deeper than the limit of %d", l.Depth)
			}
		case '}', ']':
			depth--
		case ':':
			keys++
			if l.Keys > 0 && keys > l.Keys {
				return Errorf(CodeInvalidRequest, "message has more members than the limit of %d", l.Keys)
			}
		}
	}
	return nil
}

// surely reports whether a text is within the limits even if it nested with every bracket
// and had a member for every colon. Few messages have so many, and counting is fast.
func (l Limits) surely(data []byte) bool {
	return (l.Depth <= 0 || bytes.Count(data, opening)+bytes.Count(data, openingList) <= l.Depth) &&
		(l.Keys <= 0 || len(data) <= l.Keys || bytes.Count(data, colon) <= l.Keys)
}

var opening, openingList, colon = []byte("{"), []byte("["), []byte(":")

// endOfString returns the index of the quote that closes the string opened at i,
// or the last index when it never closes.
func endOfString(data []byte, i int) int {
	for start := i + 1; ; {
		n := bytes.IndexByte(data[start:], '"')
		if n < 0 {
			return len(data) - 1
		}
		quote := start + n
		slashes := quote
		for slashes > start && data[slashes-1] == '\\' {
			slashes--
		}
		if (quote-slashes)%2 == 0 {
			return quote
		}
		start = quote + 1 // the quote is escaped, so what follows begins a new count
	}
}
