// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

// replace walks over one byte, for which it copies U+FFFD.
func (s *Stream) replace() error {
	if err := s.flush(); err != nil {
		return s.fail(err)
	}
	s.pos++
	s.mark = s.pos
	if s.out == nil {
		return nil
	}
	if _, err := s.out.Write([]byte("\ufffd")); err != nil {
		return s.fail(err)
	}
	return nil
}

// mendEscape makes the escape at pos one of U+FFFD if it is half a surrogate pair.
func (s *Stream) mendEscape() error {
	const pair = len(`\ud83d\ude00`)
	for s.end-s.pos < pair && s.more() == nil {
	}
	if err := s.soft(); err != nil {
		return err
	}
	window := s.buf[s.pos:min(s.end, s.pos+pair)]
	unit, half := surrogate(window)
	if !half {
		return nil
	}
	low, half := surrogate(window[len(window)/2:])
	if unit >= 0xDC00 || len(window) < pair || !half || low < 0xDC00 {
		copy(window, `\ufffd`)
	}
	return nil
}
