// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// repairText returns data as JSON that is valid by the rules of [Decode], as far as
// that can be had, and what was wrong with it. It aliases data where nothing was. On
// failure it returns what it has got.
func repairText(data []byte, limits Limits) ([]byte, Faults, error) {
	if err := limits.check(data); err != nil {
		return data, 0, err
	}
	if Raw(data).IsValid() {
		return data, 0, nil
	}
	text, faults := trimAround(data), Faults(0)
	if len(text) < len(bytes.TrimSpace(data)) {
		faults = FaultAround
	}
	if Raw(text).IsValid() {
		return text, faults, nil
	}
	plain := Raw(escapeControls(validUTF8(text)))
	whole := bytes.Clone(plain)
	if err := plain.Format(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return text, faults, explain(text, "a message must be a JSON object")
	}
	if !bytes.Equal(whole, text) || !withoutDuplicates(whole) {
		faults |= FaultText
	}
	if !plain.IsValid() {
		plain, faults = lastOfEach(plain), faults|FaultDuplicate
	}
	return plain, faults, nil
}

// withoutDuplicates reports whether text is valid but for duplicate names.
func withoutDuplicates(text Raw) bool { return text.IsValid(jsontext.AllowDuplicateNames(true)) }

// trimAround cuts what is no JSON off the ends of a text: space, NUL, byte order
// marks and the control sequences of terminals (ECMA-48).
func trimAround(data []byte) []byte {
	for {
		data = bytes.TrimPrefix(bytes.TrimLeft(data, " \t\r\n\x00"), bom)
		n := escapeLength(data)
		if n == 0 {
			break
		}
		data = data[n:]
	}
	for {
		data = bytes.TrimSuffix(bytes.TrimRight(data, " \t\r\n\x00"), bom)
		i := bytes.LastIndexByte(data, 0x1b)
		if i <= 0 || i+escapeLength(data[i:]) != len(data) {
			return data
		}
		data = data[:i]
	}
}

var bom = []byte("\ufeff")

// escapeLength returns the length of the control sequence that data begins with, 0
// for none.
func escapeLength(data []byte) int {
	if len(data) < 2 || data[0] != 0x1b {
		return 0
	}
	switch data[1] {
	case '[': // CSI: up to a final byte
		for i := 2; i < len(data); i++ {
			if data[i] >= 0x40 && data[i] <= 0x7e {
				return i + 1
			}
		}
		return 0
	case ']': // OSC: up to BEL or ESC \
		for i := 2; i < len(data); i++ {
			if data[i] == 0x07 {
				return i + 1
			}
			if data[i] == 0x1b && i+1 < len(data) {
				return i + 2
			}
		}
		return 0
	}
	return 2
}

// validUTF8 returns a copy of text with U+FFFD for what is no UTF-8: one for each
// beginning of a character that breaks off, as JavaScript and Python decode it.
func validUTF8(text []byte) []byte {
	out := make([]byte, 0, len(text)+16)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r != utf8.RuneError || n > 1 {
			out = append(out, text[:n]...)
			text = text[n:]
			continue
		}
		n = 1
		for n < len(text) && !utf8.FullRune(text[:n+1]) {
			n++
		}
		out = append(out, "\ufffd"...)
		text = text[n:]
	}
	return out
}

// escapeControls writes bare control characters within strings as escapes.
func escapeControls(text []byte) []byte {
	const digits = "0123456789abcdef"
	out := make([]byte, 0, len(text)+16)
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			out = append(out, text[i])
			continue
		}
		end := min(endOfString(text, i), len(text)-1)
		for ; i <= end; i++ {
			if c := text[i]; c < ' ' {
				out = append(out, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			} else {
				out = append(out, c)
			}
		}
		i = end
	}
	return out
}

// lastOfEach returns JSON without duplicate names: the last one counts. v is valid
// otherwise, and its nesting is bounded.
func lastOfEach(v Raw) Raw {
	switch v.Kind() {
	case '[':
		return eachElement(v)
	case '{':
	default:
		return v
	}
	var names []string
	values := map[string]Raw{}
	for quoted, value := range Members(v) {
		name := string(quoted)
		if strings.IndexByte(name, '\\') >= 0 {
			plain, _ := Unquote(quoted)
			name = string(AppendString(nil, plain))
		}
		if _, twice := values[name]; !twice {
			names = append(names, name)
		}
		values[name] = value
	}
	out := Raw("{")
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), lastOfEach(values[name])...)
	}
	return append(out, '}')
}

func eachElement(v Raw) Raw {
	out := Raw("[")
	for value := range Elements(v) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, lastOfEach(value)...)
	}
	return append(out, ']')
}
