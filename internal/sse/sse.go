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

// Append appends e in wire form.
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
		dst = append(dst, line...)
		dst = append(dst, '\n')
		if !found {
			return append(dst, '\n')
		}
		rest = more
	}
}

// Reader reads events from a stream. It is for one goroutine.
type Reader struct {
	r   *bufio.Reader
	max int
}

// NewReader returns a reader of events of at most max bytes each.
func NewReader(r io.Reader, max int) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 4096), max: max}
}

// Read returns the next event that has data, an id or a retry field. Comments
// are skipped, an unfinished event at the end is dropped as the standard says,
// and the end is io.EOF. The caller owns the event.
func (r *Reader) Read() (Event, error) {
	var e Event
	var data []byte
	size, hasData, hasAny := 0, false, false
	for {
		line, err := r.line()
		if err != nil {
			return Event{}, err
		}
		if size += len(line); size > r.max {
			return Event{}, ErrTooLarge
		}
		if len(line) == 0 {
			if !hasAny {
				size = 0
				continue
			}
			if hasData {
				e.Data = data[:len(data)-1]
			}
			return e, nil
		}
		field, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(field) {
		case "data":
			data = append(append(data, value...), '\n')
			hasData, hasAny = true, true
		case "event":
			e.Name = string(value)
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				e.ID, e.HasID, hasAny = string(value), true, true
			}
		case "retry":
			if ms, err := strconv.ParseUint(string(value), 10, 31); err == nil {
				e.Retry, hasAny = time.Duration(ms)*time.Millisecond, true
			}
		}
	}
}

// line returns one line without its end, which is LF, CR LF, or the end of a
// stream that broke off (then the error wins).
func (r *Reader) line() ([]byte, error) {
	var line []byte
	for {
		part, err := r.r.ReadSlice('\n')
		if len(line)+len(part) > r.max+2 {
			return nil, ErrTooLarge
		}
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return bytes.TrimRight(line, "\r\n"), nil
	}
}
