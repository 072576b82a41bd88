// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package uritemplate

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A character may stand in a URI as it is or escaped, and both mean the same,
// unless it is reserved: %2F is no slash.
//
// RFC 3986 sections 2.2 and 6.2.2.2, RFC 3987 section 3.1.

// piece is a byte of a URI, as it is or escaped.
type piece struct {
	byte    byte
	escaped bool
	width   int
}

func pieceAt(s string, at int) piece {
	if isEscape(s[at:]) {
		return piece{unhex(s[at+1])<<4 | unhex(s[at+2]), true, 3}
	}
	return piece{s[at], false, 1}
}

// free reports whether the byte means the same escaped and as it is.
func (p piece) free() bool {
	return p.byte >= ' ' && p.byte != 0x7f && p.byte != '%' && strings.IndexByte(genDelims+subDelims, p.byte) < 0
}

// takeSpelt returns the place in uri behind text, in whatever spelling it stands
// there, and 0 when it does not.
func takeSpelt(text, uri string, at int) int {
	for i := 0; i < len(text); {
		if at >= len(uri) {
			return 0
		}
		a, b := pieceAt(text, i), pieceAt(uri, at)
		if a.byte != b.byte || a.escaped != b.escaped && !a.free() {
			return 0
		}
		i += a.width
		at += b.width
	}
	return at
}

// Normal returns the spelling of a URI in which what may be escaped is, but for
// unreserved characters. URIs that mean the same have the same.
func Normal(uri string) string {
	if !strings.ContainsFunc(uri, func(r rune) bool { return !standsForItself(r) }) {
		return uri
	}
	var b strings.Builder
	for at := 0; at < len(uri); {
		p := pieceAt(uri, at)
		at += p.width
		switch {
		case isUnreserved(p.byte), !p.escaped && !p.free():
			b.WriteByte(p.byte)
		default:
			b.Write([]byte{'%', hexDigits[p.byte>>4], hexDigits[p.byte&15]})
		}
	}
	return b.String()
}

// Spellings returns the ways in which clients write a URI: as it is, its normal
// form, and that with letters beyond ASCII as they are; each once.
func Spellings(uri string) []string {
	normal := Normal(uri)
	if normal == uri && strings.IndexByte(uri, '%') < 0 {
		return []string{uri}
	}
	all := []string{uri, normal}
	var b strings.Builder
	for at := 0; at < len(normal); {
		p := pieceAt(normal, at)
		if at += p.width; p.escaped && p.byte < utf8.RuneSelf {
			b.WriteString(normal[at-p.width : at])
		} else {
			b.WriteByte(p.byte)
		}
	}
	if iri := b.String(); utf8.ValidString(iri) {
		all = append(all, iri)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Smuggled returns the name of a variable of values, which [Template.Match]
// returned, that leads elsewhere than the template lets it, and "" when there is
// none: one that holds a NUL or is not UTF-8, and, unless it is written with + or #,
// one with a part that is "..", or, except in a query, a slash.
func (t *Template) Smuggled(values map[string]string) string {
	seen := make([]string, 0, len(t.slots))
	for i := range t.slots {
		v := &t.slots[i]
		key := v.key()
		value, ok := values[key]
		if !ok || slices.Contains(seen, key) {
			continue
		}
		seen = append(seen, key)
		if !v.holds(value) {
			return v.name
		}
	}
	return ""
}

// holds reports whether a value is one that the variable may have.
func (v *variable) holds(value string) bool {
	switch {
	case !utf8.ValidString(value), strings.IndexByte(value, 0) >= 0:
		return false
	case v.reserved:
		return true
	case !v.query && strings.IndexByte(value, '/') >= 0:
		return false
	}
	parts := strings.FieldsFunc(value, func(r rune) bool { return r == '/' || r == '\\' || r == ',' })
	return !slices.Contains(parts, "..")
}
