// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"
)

// ErrLineTooLong reports a line over the reader's limit. The line has been
// skipped and the next one can be read.
var ErrLineTooLong = errors.New("line is over the size limit")

// maxKept bounds the buffer that a reader or writer keeps between messages.
const maxKept = 64 << 10

// LineReader reads newline-delimited messages. It is for one goroutine.
//
// spec 2025-11-25 basic/transports#stdio: "Messages are delimited by newlines,
// and MUST NOT contain embedded newlines".
type LineReader struct {
	r   *bufio.Reader
	max int
	buf []byte
}

// NewLineReader returns a reader of lines of at most max bytes.
func NewLineReader(r io.Reader, max int) *LineReader {
	return &LineReader{r: bufio.NewReaderSize(r, 4096), max: max}
}

// Read returns the next non-empty line without its newline. The caller owns the
// bytes. A last line without a newline counts. At the end it returns io.EOF;
// after [ErrLineTooLong] reading may go on.
func (l *LineReader) Read() ([]byte, error) {
	for {
		line, err := l.line()
		if err != nil {
			return nil, err
		}
		switch {
		case len(line) == 0:
		case cap(l.buf) > maxKept:
			l.buf = nil // the caller's now
			return line, nil
		default:
			return append([]byte(nil), line...), nil
		}
	}
}

func (l *LineReader) line() ([]byte, error) {
	l.buf = l.buf[:0]
	tooLong := false
	for {
		part, err := l.r.ReadSlice('\n')
		if !tooLong {
			if len(l.buf)+len(part) > l.max+len("\r\n") {
				tooLong, l.buf = true, l.buf[:0]
			} else {
				l.buf = append(l.buf, part...)
			}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case tooLong && (err == nil || errors.Is(err, io.EOF)):
			return nil, ErrLineTooLong
		case err != nil && (!errors.Is(err, io.EOF) || len(l.buf) == 0):
			return nil, err
		}
		line := trimNewline(l.buf)
		if len(line) > l.max {
			return nil, ErrLineTooLong
		}
		return line, nil
	}
}

// trimNewline removes one newline, with the carriage return before it.
func trimNewline(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

// LineWriter writes newline-delimited messages; safe for concurrent use.
type LineWriter struct {
	mu  sync.Mutex
	w   io.Writer
	buf []byte
}

// NewLineWriter returns a writer of lines to w.
func NewLineWriter(w io.Writer) *LineWriter { return &LineWriter{w: w} }

// Write sends one message in a single write. Raw newlines between tokens, legal
// in JSON but not in this framing, become spaces.
func (l *LineWriter) Write(msg []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf[:0], msg...)
	for i, c := range l.buf {
		if c == '\n' || c == '\r' {
			l.buf[i] = ' '
		}
	}
	l.buf = append(l.buf, '\n')
	_, err := l.w.Write(l.buf)
	if cap(l.buf) > maxKept {
		l.buf = nil // one large message must not pin its buffer for the life of the connection
	}
	return err
}
