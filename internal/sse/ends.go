// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package sse

import (
	"bytes"
	"io"
)

// ends reads a stream with all its lines ended by LF, and without a byte order mark
// at its beginning.
//
// WHATWG HTML, "Parsing an event stream": lines end with CR LF, LF or CR, and one
// byte order mark is ignored.
type ends struct {
	r       io.Reader
	cr      bool // the last byte was a CR: an LF behind it belongs to it
	mark    int  // bytes of the byte order mark that have come
	started bool // what comes is no byte order mark
	held    []byte
}

var mark = []byte("\ufeff")

// Read implements [io.Reader].
func (e *ends) Read(p []byte) (int, error) {
	if len(e.held) > 0 {
		n := copy(p, e.held)
		e.held = e.held[n:]
		return n, nil
	}
	for {
		n, err := e.r.Read(p)
		data := p[:n]
		if !e.started && n > 0 {
			data = e.begin(data)
		}
		if data = e.plain(data); len(data) > 0 || err != nil || len(p) == 0 {
			if len(e.held) > 0 {
				err = nil // it comes again
			}
			return copy(p, data), err
		}
	}
}

// begin drops the byte order mark, which may come in parts. What turns out to be none
// is held until the next Read.
func (e *ends) begin(data []byte) []byte {
	for len(data) > 0 && e.mark < len(mark) && data[0] == mark[e.mark] {
		data = data[1:]
		e.mark++
	}
	switch {
	case e.mark == len(mark):
		e.started = true
	case len(data) > 0:
		e.started = true
		if e.mark > 0 {
			e.held = e.plain(append(bytes.Clone(mark[:e.mark]), data...))
			data = e.held[:1]
			e.held = e.held[1:]
		}
	}
	return data
}

// plain makes LF of all line ends, in place.
func (e *ends) plain(data []byte) []byte {
	if e.cr && len(data) > 0 {
		e.cr = false
		if data[0] == '\n' {
			data = data[1:]
		}
	}
	at := bytes.IndexByte(data, '\r')
	if at < 0 {
		return data
	}
	out := data[:at]
	for rest := data[at:]; len(rest) > 0; {
		line, more, found := bytes.Cut(rest, []byte{'\r'})
		out = append(out, line...)
		if !found {
			break
		}
		out = append(out, '\n')
		e.cr = len(more) == 0
		rest = bytes.TrimPrefix(more, []byte{'\n'})
	}
	return out
}
