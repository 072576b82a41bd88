// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package display makes text that came from elsewhere fit to be shown: names and
// URIs in errors and log lines, and what servers say on a person's terminal. Such
// text may be megabytes long and may hold characters that move the cursor, change
// the terminal or make a reader see something else than is there.
//
// All functions are pure and take time linear in what they show.
package display

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxShown bounds what is shown of one name or URI, in bytes.
const maxShown = 100

// Quote returns s in quotes, on one line, with what cannot be seen escaped. Of a
// long text it shows the beginning and says how long it is. It is for names and
// URIs in messages.
func Quote(s string) string {
	if len(s) <= maxShown {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%s… (%d bytes)", strconv.Quote(Cut(s, maxShown)), len(s))
}

// Short returns s, or the beginning of a long one with an ellipsis. It is for
// values of log lines, which escape by themselves.
func Short(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return Cut(s, maxShown) + "…"
}

// Cut returns at most max bytes of s, whole characters only.
func Cut(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max]
}

// Plain reports whether everything in s shows: it is UTF-8 without control and
// format characters.
func Plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, hidden)
}

// Line returns s as one line of a terminal: with control and format characters,
// line breaks and tabs among them, escaped as \x1b or \u202e.
func Line(s string) string { return escape(s, "") }

// Text is [Line] for text of several lines: line breaks and tabs stay.
func Text(s string) string { return escape(strings.ReplaceAll(s, "\r\n", "\n"), "\n\t") }

// JSON returns a JSON value that means the same and is safe to show: format and C1
// characters, which stand only in its strings, as \u escapes.
func JSON(value []byte) []byte {
	if utf8.Valid(value) && !bytes.ContainsFunc(value, hiddenInJSON) {
		return value
	}
	out := make([]byte, 0, len(value)+64)
	for len(value) > 0 {
		r, size := utf8.DecodeRune(value)
		switch {
		case r == utf8.RuneError && size == 1: // no JSON
			out = append(out, `\ufffd`...)
		case !hiddenInJSON(r):
			out = append(out, value[:size]...)
		case r <= 0xffff:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		}
		value = value[size:]
	}
	return out
}

// hiddenInJSON leaves out what JSON has between its tokens and nowhere else.
func hiddenInJSON(r rune) bool { return r > ' ' && hidden(r) }

// escape escapes what is hidden but for the characters of allowed.
func escape(s, allowed string) string {
	if Plain(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && invalid(s[i:]):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !hidden(r) || strings.ContainsRune(allowed, r):
			b.WriteRune(r)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

// hidden reports whether a character controls the terminal, C0 and C1, ends a
// line, or is invisible and changes how others are read: writing direction, joiners, tags.
//
// Unicode categories Cc, Cf, Zl and Zp.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

func invalid(s string) bool {
	_, size := utf8.DecodeRuneInString(s)
	return size == 1
}
