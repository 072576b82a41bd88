// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package uritemplate

import "strings"

// Expand returns the URI that the template stands for with these values of its
// variables, each a single text. Variables without a value are left out.
//
// RFC 6570 section 3.2.
func (t *Template) Expand(values map[string]string) string {
	var b strings.Builder
	for i := range t.parts {
		p := &t.parts[i]
		if p.vars == nil {
			b.WriteString(escape(p.literal, true))
			continue
		}
		before := p.op.first
		for _, v := range p.vars {
			value, has := values[v.name]
			if !has {
				continue
			}
			b.WriteString(before)
			before = p.op.sep
			value = escape(head(value, v.prefix), p.op.reserved)
			if p.op.named {
				b.WriteString(v.name)
				if value != "" || !p.op.bare {
					b.WriteByte('=')
				}
			}
			b.WriteString(value)
		}
	}
	return b.String()
}

// head returns the first max characters of s, all for 0.
func head(s string, max int) string {
	if max == 0 {
		return s
	}
	for i := range s {
		if max == 0 {
			return s[:i]
		}
		max--
	}
	return s
}

const hexDigits = "0123456789ABCDEF"

// escape writes as %XX what may not stand in a URI: all but unreserved
// characters, or all but these, reserved ones and what is escaped already.
func escape(s string, keepReserved bool) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case isUnreserved(c), keepReserved && strings.IndexByte(genDelims+subDelims, c) >= 0,
			keepReserved && isEscape(s[i:]):
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}

// Unescape undoes %XX. What is not UTF-8 then is kept as it is.
func Unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if isEscape(s[i:]) {
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func isUnreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// isEscape reports whether s begins with a percent sign and two digits.
func isEscape(s string) bool { return len(s) > 2 && s[0] == '%' && isHex(s[1]) && isHex(s[2]) }

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return (c | 0x20) - 'a' + 10
}
