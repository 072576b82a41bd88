// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"unicode/utf8"
)

// The grammar, walked over a window of the text.
//
// Source: RFC 8259, with the strings of RFC 7493 (valid Unicode only).

// more reads on: what has been walked over is copied, and the rest of the
// window moves to its front. It fails with errEnded at the end.
func (s *Stream) more() error {
	if s.err != nil {
		return s.err
	}
	if err := s.flush(); err != nil {
		return s.fail(err)
	}
	s.end = copy(s.buf, s.buf[s.pos:s.end])
	s.mark, s.pos = 0, 0
	for empty := 0; ; empty++ {
		if s.srcErr != nil {
			if errors.Is(s.srcErr, io.EOF) {
				return s.fail(errEnded)
			}
			return s.fail(s.srcErr)
		}
		if empty == 100 {
			return s.fail(io.ErrNoProgress)
		}
		n, err := s.r.Read(s.buf[s.end:])
		s.srcErr = err
		s.end += n
		s.read += n
		if s.limits.Bytes > 0 && s.read > s.limits.Bytes {
			return s.refuse("message is over the limit of %d bytes", s.limits.Bytes)
		}
		if n > 0 {
			return nil
		}
	}
}

// need makes at least n bytes available from pos on.
func (s *Stream) need(n int) error {
	for s.end-s.pos < n {
		if err := s.more(); err != nil {
			return err
		}
	}
	return nil
}

// next moves to the next byte that is not space and returns it. The space is not copied.
func (s *Stream) next() (byte, error) {
	if s.err != nil {
		return 0, s.err
	}
	for {
		for i := s.pos; i < s.end; i++ {
			c := s.buf[i]
			if c == ' ' || c == '\n' || c == '\r' || c == '\t' {
				continue
			}
			if i > s.pos {
				return c, s.skip(i)
			}
			return c, nil
		}
		if err := s.skip(s.end); err != nil {
			return 0, err
		}
		if err := s.more(); err != nil {
			return 0, err
		}
	}
}

// skip moves to i without copying what lies between.
func (s *Stream) skip(i int) error {
	if err := s.flush(); err != nil {
		return s.fail(err)
	}
	s.mark, s.pos = i, i
	return nil
}

func (s *Stream) push(open byte) error {
	if len(s.nest) >= s.limits.Depth {
		return s.refuse("message is nested deeper than the limit of %d", s.limits.Depth)
	}
	s.nest = append(s.nest, open)
	s.pos++
	if s.out == nil {
		s.mark = s.pos
	}
	return nil
}

func (s *Stream) pop() {
	s.nest = s.nest[:len(s.nest)-1]
	s.pos++
	if s.out == nil {
		s.mark = s.pos
	}
}

// value walks over one value.
func (s *Stream) value() error {
	base := len(s.nest)
	for {
		c, err := s.next()
		if err != nil {
			return err
		}
		entered := c == '{' || c == '['
		if entered {
			err = s.push(c)
		} else {
			err = s.scalar(c)
		}
		if err != nil {
			return err
		}
		if done, err := s.after(base, entered); done || err != nil {
			return err
		}
	}
}

// after goes on behind a value, or behind an opening bracket, to the next value
// or, which it reports, to the end of what lies above base.
func (s *Stream) after(base int, entered bool) (bool, error) {
	for len(s.nest) > base {
		c, err := s.next()
		if err != nil {
			return false, err
		}
		top := s.nest[len(s.nest)-1]
		if c == top+2 { // the closing bracket
			s.pop()
			entered = false
			continue
		}
		if !entered {
			if c != ',' {
				return false, s.unexpected(c)
			}
			s.pos++
		}
		if top == '{' {
			return false, s.memberName()
		}
		return false, nil
	}
	return true, nil
}

// memberName walks over a name and its colon.
func (s *Stream) memberName() error {
	c, err := s.next()
	if err != nil {
		return err
	}
	if c != '"' {
		return s.unexpected(c)
	}
	if err := s.text(); err != nil {
		return err
	}
	if c, err = s.next(); err != nil {
		return err
	}
	if c != ':' {
		return s.unexpected(c)
	}
	s.pos++
	return nil
}

// scalar walks over a string, a number or a literal that begins with c.
func (s *Stream) scalar(c byte) error {
	switch {
	case c == '"':
		return s.text()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case c == '-' || c >= '0' && c <= '9':
		return s.number(c)
	}
	return s.unexpected(c)
}

func (s *Stream) literal(word string) error {
	if err := s.need(len(word)); err != nil {
		return err
	}
	if string(s.buf[s.pos:s.pos+len(word)]) != word {
		return s.unexpected(s.buf[s.pos])
	}
	s.pos += len(word)
	return nil
}

// number walks over a number, which may end with the text.
func (s *Stream) number(c byte) error {
	if c == '-' {
		s.pos++
		c = s.peek()
	}
	if c == '0' {
		s.pos++
	} else if err := s.digits(); err != nil {
		return err
	}
	if c = s.peek(); c == '.' {
		s.pos++
		if err := s.digits(); err != nil {
			return err
		}
		c = s.peek()
	}
	if c != 'e' && c != 'E' {
		return s.soft()
	}
	s.pos++
	if c = s.peek(); c == '+' || c == '-' {
		s.pos++
	}
	return s.digits()
}

// soft returns an error that ended a number, except for the end of the text.
func (s *Stream) soft() error {
	if errors.Is(s.err, errEnded) {
		s.err = nil
	}
	return s.err
}

// peek returns the byte at pos, or 0 when there is none.
func (s *Stream) peek() byte {
	if s.pos == s.end && s.more() != nil {
		return 0
	}
	return s.buf[s.pos]
}

// digits walks over one digit or more.
func (s *Stream) digits() error {
	for n := 0; ; n++ {
		c := s.peek()
		if c >= '0' && c <= '9' {
			s.pos++
			continue
		}
		if n > 0 {
			return s.soft()
		}
		if s.err != nil {
			return s.err
		}
		return s.unexpected(c)
	}
}

// text walks over a string.
func (s *Stream) text() error {
	s.pos++
	for {
		s.pos += plain(s.buf[s.pos:s.end])
		if s.pos == s.end {
			if err := s.more(); err != nil {
				return err
			}
			continue
		}
		var err error
		switch c := s.buf[s.pos]; {
		case c == '"':
			s.pos++
			return nil
		case c == '\\':
			err = s.escape()
		case c < ' ':
			err = s.unexpected(c)
		default:
			err = s.rune()
		}
		if err != nil {
			return err
		}
	}
}

// rune walks over one character beyond ASCII.
func (s *Stream) rune() error {
	for !utf8.FullRune(s.buf[s.pos:s.end]) {
		if err := s.more(); err != nil {
			return err
		}
	}
	for s.pos < s.end && s.buf[s.pos] >= utf8.RuneSelf {
		r, n := utf8.DecodeRune(s.buf[s.pos:s.end])
		if r == utf8.RuneError && n <= 1 {
			if !utf8.FullRune(s.buf[s.pos:s.end]) {
				return nil // the rest of it comes with the next window
			}
			if !s.lenient {
				return s.fail(NewError(CodeParse, "parse error: invalid UTF-8"))
			}
			if err := s.replace(); err != nil {
				return err
			}
			continue
		}
		s.pos += n
	}
	return nil
}

// escape walks over an escape sequence; two that make one character count as one.
func (s *Stream) escape() error {
	if err := s.need(2); err != nil {
		return err
	}
	switch c := s.buf[s.pos+1]; c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return nil
	case 'u':
	default:
		return s.unexpected(c)
	}
	if s.lenient {
		if err := s.mendEscape(); err != nil {
			return err
		}
	}
	unit, err := s.unit()
	switch {
	case err != nil:
		return err
	case unit < 0xD800 || unit > 0xDFFF:
		return nil
	case unit < 0xDC00:
		if unit, err = s.unit(); err != nil {
			return err
		}
		if unit >= 0xDC00 && unit <= 0xDFFF {
			return nil
		}
	}
	return s.fail(NewError(CodeParse, "parse error: half a surrogate pair"))
}

// unit walks over one \uXXXX.
func (s *Stream) unit() (int, error) {
	if err := s.need(6); err != nil {
		return 0, err
	}
	if s.buf[s.pos] != '\\' || s.buf[s.pos+1] != 'u' {
		return 0, s.unexpected(s.buf[s.pos])
	}
	unit := 0
	for _, c := range s.buf[s.pos+2 : s.pos+6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, s.unexpected(c)
		}
		unit = unit<<4 | int(c)
	}
	s.pos += 6
	return unit, nil
}

// plain returns how many bytes b begins with that stand for themselves in a
// string: ASCII but no control character, quote or backslash. It looks at eight
// at a time, which is what makes copying cheap.
func plain(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		found := ((x - ones*' ') | (quote - ones) | (slash - ones) | x) & highs
		if found != 0 {
			// A borrow can only mark bytes behind a marked one: the first is right.
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return i
}
