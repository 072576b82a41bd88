// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package sse frames server-sent events: appending them to bytes and reading
// them back. It knows nothing of HTTP or MCP and starts no goroutine.
//
// Source: WHATWG HTML, "Server-sent events".
package sse

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"
)

// Event is one event. Data may hold several lines.
type Event struct {
	ID    string
	Name  string // "" means "message"
	Data  []byte
	Retry time.Duration // 0 for none
	HasID bool          // set by Reader: the event carried an id field
}

// ErrTooLarge reports an event over the reader's limit; the stream is unusable after it.
var ErrTooLarge = errors.New("event is over the size limit")

// KeepAlive is a comment that keeps intermediaries from closing a quiet stream.
const KeepAlive = ":\r\n\r\n"

// Append appends e in wire form. A carriage return in its data, which JSON has only
// between tokens, becomes a space: to readers it would end the line, and what
// follows it would be a field of its own.
//
// WHATWG HTML, "Parsing an event stream": lines end with CR LF, LF or CR.
func Append(dst []byte, e Event) []byte {
	if e.Name != "" {
		dst = append(dst, "event: "...)
		dst = append(dst, e.Name...)
		dst = append(dst, '\n')
	}
	if e.ID != "" {
		dst = append(dst, "id: "...)
		dst = append(dst, e.ID...)
		dst = append(dst, '\n')
	}
	if e.Retry > 0 {
		dst = append(dst, "retry: "...)
		dst = strconv.AppendInt(dst, e.Retry.Milliseconds(), 10)
		dst = append(dst, '\n')
	}
	for rest := e.Data; ; {
		line, more, found := bytes.Cut(rest, []byte{'\n'})
		dst = append(dst, "data: "...)
		begin := len(dst)
		dst = append(dst, line...)
		spaceOut(dst[begin:])
		dst = append(dst, '\n')
		if !found {
			return append(dst, '\n')
		}
		rest = more
	}
}

// spaceOut makes spaces of the carriage returns in line.
func spaceOut(line []byte) {
	for {
		i := bytes.IndexByte(line, '\r')
		if i < 0 {
			return
		}
		line[i] = ' '
		line = line[i+1:]
	}
}

// Reader reads events from a stream. It is for one goroutine.
type Reader struct {
	src ends
	r   *bufio.Reader // of src
	max int
}

// NewReader returns a reader of events of at most max bytes each.
func NewReader(r io.Reader, max int) *Reader {
	reader := &Reader{src: ends{r: r}, max: max}
	reader.r = bufio.NewReaderSize(&reader.src, 4096)
	return reader
}

// Read returns the next event that has data, an id or a retry field. Comments
// are skipped, an unfinished event at the end is dropped as the standard says,
// and the end is io.EOF. The caller owns the event.
func (r *Reader) Read() (Event, error) {
	e, _, err := r.read(0)
	return e, err
}

// read reads an event, or, where head is not 0 and its data gets longer, its
// beginning.
func (r *Reader) read(head int) (Event, *Rest, error) {
	var e Event
	var data []byte
	size, hasData, hasAny := 0, false, false
	for {
		line, whole, err := r.line(head)
		if err != nil {
			return Event{}, nil, err
		}
		if size += len(line); size > r.max {
			return Event{}, nil, ErrTooLarge
		}
		if len(line) == 0 && whole {
			if !hasAny {
				e, size = Event{}, 0 // a name without data is none of the next event's
				continue
			}
			if hasData {
				e.Data = data[:len(data)-1]
			}
			return e, nil, nil
		}
		value, isData := dataOf(line)
		if !isData {
			if !whole {
				return Event{}, nil, ErrTooLarge
			}
			hasAny = e.field(line) || hasAny
			continue
		}
		hasData, hasAny = true, true
		data = append(data, value...)
		if head > 0 && (!whole || len(data) > head) {
			e.Data = data
			return e, &Rest{Event: e, r: r, line: !whole}, nil
		}
		data = append(data, '\n')
	}
}

// dataOf returns the value of a line of data.
func dataOf(line []byte) ([]byte, bool) {
	value, ok := bytes.CutPrefix(line, []byte("data"))
	if !ok || len(value) > 0 && value[0] != ':' {
		return nil, false
	}
	if len(value) > 0 {
		value = bytes.TrimPrefix(value[1:], []byte{' '})
	}
	return value, true
}

// field takes a line other than data; it reports whether it makes an event.
func (e *Event) field(line []byte) bool {
	name, value, _ := bytes.Cut(line, []byte{':'})
	value = bytes.TrimPrefix(value, []byte{' '})
	switch string(name) {
	case "event":
		e.Name = string(value)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			e.ID, e.HasID = string(value), true
			return true
		}
	case "retry":
		if ms, err := strconv.ParseUint(string(value), 10, 31); err == nil {
			e.Retry = time.Duration(ms) * time.Millisecond
			return true
		}
	}
	return false
}

// line returns one line without its end, which is LF by now, or the end of a
// stream that broke off (then the error wins). With a head other than 0, a line
// that is longer is returned as far as it has been read; whole is then false.
func (r *Reader) line(head int) (line []byte, whole bool, err error) {
	for {
		part, err := r.r.ReadSlice('\n')
		if len(line)+len(part) > r.max+2 {
			return nil, false, ErrTooLarge
		}
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			if head > 0 && len(line) > head {
				return line, false, nil
			}
			continue
		}
		if err != nil {
			return nil, false, err
		}
		return bytes.TrimSuffix(line, []byte{'\n'}), true, nil
	}
}
