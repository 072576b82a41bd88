// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
)

const (
	streamWindow  = 64 << 10 // of the text, held at a time
	streamDepth   = 512      // when limits name none
	streamMembers = 1000     // of one opened object, when limits name none
	streamName    = 1 << 10  // bytes of a member name
)

// Stream reads one JSON text as it arrives: the containers that its user opens
// are walked member by member, and every other value is copied through,
// whatever its size. It holds a window of 64 KiB of the text.
//
// The whole text is held against the grammar. What differs from [Decode] is
// that duplicate names are refused in opened objects only. Limits.Bytes bounds
// the text, Limits.Depth its nesting, and Limits.Keys the members of each opened
// object. Errors about the text are *Error; one of the reader is returned as it
// is, and one that wraps io.ErrUnexpectedEOF when the text breaks off. After an error every
// method fails with it.
//
// A Stream is for one goroutine.
type Stream struct {
	r      io.Reader
	limits Limits
	buf    []byte
	mark   int // first byte not yet copied to out
	pos    int // next byte to look at
	end    int // of what has been read
	read   int
	out    io.Writer // nil: what is walked over is dropped
	err    error
	srcErr error // of r, for when the window is used up

	lenient bool // see Repair

	nest   []byte // what is open: '{' or '['
	opened []opened
	seed   maphash.Seed
	name   []byte
}

// opened is a container that the user walks.
type opened struct {
	count int
	seen  map[uint64]struct{} // hashes of the names; a flood of names must not cost memory
}

// NewStream returns a Stream over the text that r yields.
func NewStream(r io.Reader, limits Limits) *Stream {
	if limits.Depth <= 0 {
		limits.Depth = streamDepth
	}
	if limits.Keys <= 0 {
		limits.Keys = streamMembers
	}
	return &Stream{r: r, limits: limits, buf: make([]byte, streamWindow), seed: maphash.MakeSeed()}
}

// Repair has text that is no Unicode become U+FFFD, as [DecodeLenient] does, where it
// would be refused.
func (s *Stream) Repair() { s.lenient = true }

// Kind returns the first byte of the next value: '{', '[', '"', 't', 'f', 'n',
// or '0' for any number.
func (s *Stream) Kind() (byte, error) {
	c, err := s.next()
	if c == '-' || c >= '0' && c <= '9' {
		c = '0'
	}
	return c, err
}

// Open enters the next value, which must be an object (kind '{') or an array ('[').
func (s *Stream) Open(kind byte) error {
	c, err := s.next()
	if err != nil {
		return err
	}
	if c != kind {
		return s.refuse("invalid message: a value is not the %s it must be", map[byte]string{'{': "object", '[': "array"}[kind])
	}
	if err := s.push(c); err != nil {
		return err
	}
	s.opened = append(s.opened, opened{})
	return nil
}

// Member moves to the next member of the innermost opened object and returns its
// name as a JSON string without needless escapes, valid until the next call. It
// returns nil after the last one, and has then left the object. The member's
// value must be read before the next one is asked for.
func (s *Stream) Member() (Raw, error) {
	more, err := s.step('}')
	if !more || err != nil {
		return nil, err
	}
	return s.ownName()
}

// Element moves to the next element of the innermost opened array. It reports
// false after the last one, and has then left the array.
func (s *Stream) Element() (bool, error) { return s.step(']') }

// step moves to the next member or element of an opened container.
func (s *Stream) step(closing byte) (bool, error) {
	if s.err != nil {
		return false, s.err
	}
	o := &s.opened[len(s.opened)-1]
	c, err := s.next()
	switch {
	case err != nil:
		return false, err
	case c == closing:
		s.pop()
		s.opened = s.opened[:len(s.opened)-1]
		return false, nil
	case o.count > 0 && c != ',':
		return false, s.unexpected(c)
	case o.count > 0:
		s.pos++
		s.mark = s.pos
	}
	o.count++
	if o.count > s.limits.Keys && closing == '}' {
		return false, s.refuse("message has more members than the limit of %d", s.limits.Keys)
	}
	return true, nil
}

// ownName reads the name of a member of an opened object, and the colon.
func (s *Stream) ownName() (Raw, error) {
	s.name = s.name[:0]
	s.mark, s.out = s.pos, (*nameWriter)(&s.name)
	err := s.memberName()
	s.flushTo(&err)
	if err != nil {
		return nil, s.fail(err)
	}
	s.name = s.name[:bytes.LastIndexByte(s.name, '"')+1] // without the colon
	if bytes.IndexByte(s.name, '\\') >= 0 {
		plain, _ := Unquote(s.name)
		s.name = AppendString(s.name[:0], plain)
	}
	o := &s.opened[len(s.opened)-1]
	if o.seen == nil {
		o.seen = map[uint64]struct{}{}
	}
	hash := maphash.Bytes(s.seed, s.name)
	if _, twice := o.seen[hash]; twice {
		return nil, s.fail(NewError(CodeParse, "parse error: duplicate member name"))
	}
	o.seen[hash] = struct{}{}
	return s.name, nil
}

type nameWriter []byte

func (n *nameWriter) Write(p []byte) (int, error) {
	if len(*n)+len(p) > streamName {
		return 0, Errorf(CodeParse, "a member name is over the limit of %d bytes", streamName)
	}
	*n = append(*n, p...)
	return len(p), nil
}

// Copy writes the next value to w, without the space between its tokens: what
// is written is one line. A nil w drops the value. An error of w is returned as
// it is.
func (s *Stream) Copy(w io.Writer) error {
	if s.err != nil {
		return s.err
	}
	if _, err := s.next(); err != nil {
		return err
	}
	s.mark, s.out = s.pos, w
	err := s.value()
	s.flushTo(&err)
	if err != nil {
		return s.fail(err)
	}
	return nil
}

// Value returns the next value, which must have at most max bytes.
func (s *Stream) Value(max int) (Raw, error) {
	b := bounded{max: max}
	if err := s.Copy(&b); err != nil {
		return nil, err
	}
	return b.data, nil
}

type bounded struct {
	data []byte
	max  int
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.data)+len(p) > b.max {
		return 0, Errorf(CodeInvalidRequest, "a value is over the limit of %d bytes", b.max)
	}
	b.data = append(b.data, p...)
	return len(p), nil
}

// End reads to the end of the text, where only space may follow.
func (s *Stream) End() error {
	if s.err != nil {
		return s.err
	}
	c, err := s.next()
	switch {
	case errors.Is(err, errEnded):
		s.err = io.EOF
		return nil
	case err != nil:
		return err
	}
	return s.unexpected(c)
}

// errEnded is the end of the text where something must follow.
var errEnded = fmt.Errorf("the text breaks off: %w", io.ErrUnexpectedEOF)

// flushTo copies what has been walked over and not yet copied.
func (s *Stream) flushTo(err *error) {
	if flushErr := s.flush(); *err == nil {
		*err = flushErr
	}
	s.out = nil
}

func (s *Stream) flush() error {
	from := s.mark
	s.mark = s.pos
	if s.out == nil || from == s.pos {
		return nil
	}
	_, err := s.out.Write(s.buf[from:s.pos])
	return err
}

// fail makes err the Stream's end.
func (s *Stream) fail(err error) error {
	if s.err == nil {
		s.err = err
	}
	return s.err
}

func (s *Stream) refuse(format string, args ...any) error {
	return s.fail(Errorf(CodeInvalidRequest, format, args...))
}

func (s *Stream) unexpected(c byte) error {
	return s.fail(Errorf(CodeParse, "parse error: invalid character %q", c))
}
