// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"strconv"
)

// mendSurrogates returns text with each escape of half a surrogate pair replaced by
// that of U+FFFD, which is as long. It reports false when there is none.
//
// RFC 8259 section 8.2: such strings are JSON, but what they mean is not defined.
// What cuts text by UTF-16 units, as JavaScript does, sends them.
func mendSurrogates(text []byte) ([]byte, bool) {
	var mended []byte
	for i := 0; i+6 <= len(text); {
		next := bytes.IndexByte(text[i:], '\\')
		if next < 0 || i+next+1 >= len(text) {
			break
		}
		i += next
		unit, ok := surrogate(text[i:])
		if !ok {
			i += 2 // a backslash and what it escapes
			continue
		}
		if low, ok := surrogate(text[min(i+6, len(text)):]); unit < 0xDC00 && ok && low >= 0xDC00 {
			i += 12
			continue
		}
		if mended == nil {
			mended = bytes.Clone(text)
		}
		copy(mended[i:], `\ufffd`)
		i += 6
	}
	return mended, mended != nil
}

// surrogate reads an escape of half a surrogate pair that text begins with.
func surrogate(text []byte) (unit uint64, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return unit, err == nil && unit >= 0xD800 && unit <= 0xDFFF
}
