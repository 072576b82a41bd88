// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package sse

import (
	"bytes"
	"errors"
	"io"
)

// Rest is the data of an event from where [Reader.ReadHead] left off.
type Rest struct {
	Event Event // without what Read yields; complete when that is io.EOF

	r    *Reader
	line bool // within a data line
	err  error
}

// ReadHead is Read, but an event of more than about head bytes of data is
// returned before its end: its Data is then how it begins, and Rest, which is
// not nil, reads what follows. What is read of it counts against no limit. It
// must be read to its end before the Reader is used again.
func (r *Reader) ReadHead(head int) (Event, *Rest, error) { return r.read(head) }

// Read reads on in the event's data, a JSON text: between its lines there may be
// other space than was sent. It
// returns io.EOF at the end of the event, whose other fields are known then,
// and io.ErrUnexpectedEOF when the stream ends before.
func (d *Rest) Read(p []byte) (int, error) {
	if d.err == nil && !d.line {
		d.err = d.nextLine()
		if d.err == nil && len(p) > 0 {
			p[0] = '\n'
			return 1, nil
		}
	}
	if d.err != nil || len(p) == 0 {
		return 0, d.err
	}
	if d.r.r.Buffered() == 0 {
		if _, err := d.r.r.Peek(1); err != nil {
			d.err = broken(err)
			return 0, d.err
		}
	}
	buffered, _ := d.r.r.Peek(min(len(p), d.r.r.Buffered())) // no more than is there
	n := bytes.IndexByte(buffered, '\n')
	if n < 0 {
		return d.r.r.Read(p[:len(buffered)])
	}
	copy(p, buffered[:n])
	_, _ = d.r.r.Discard(n + 1)
	d.line = false
	if n == 0 {
		return d.Read(p)
	}
	return n, nil
}

// nextLine reads on to the next data line of the event, or to its end.
func (d *Rest) nextLine() error {
	for {
		begin, err := d.r.r.Peek(1) // no more, as nothing may follow the event for long
		if err != nil {
			return broken(err)
		}
		if begin[0] == 'd' {
			begin, _ = d.r.r.Peek(len("data:"))
		}
		if string(begin) == "data:" {
			_, _ = d.r.r.Discard(len("data:")) // a space behind it is one to JSON too
			d.line = true
			return nil
		}
		line, _, err := d.r.line(0)
		switch {
		case err != nil:
			return broken(err)
		case len(line) == 0:
			return io.EOF
		}
		d.Event.field(line)
	}
}

func broken(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
