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

// Errors of a LineReader about what it reads.
var (
	// ErrLineTooLong reports a line over the reader's limit, as soon as that is
	// known. The next Read skips what is left of it.
	ErrLineTooLong = errors.New("line is over the size limit")
	// ErrLineEndless reports that a line over the limit does not end. Nothing can
	// be read after it.
	ErrLineEndless = errors.New("line does not end")
)

// LongLine is the [ErrLineTooLong] that Read returns. It has the id of the message if
// the beginning of the line says it. When only the end does, the next Read returns one
// more, with the id.
type LongLine struct{ ID ID }

// Error says so.
func (e *LongLine) Error() string { return ErrLineTooLong.Error() }

// Is makes it an ErrLineTooLong.
func (e *LongLine) Is(err error) bool { return err == ErrLineTooLong }

const (
	maxKept    = 64 << 10  // bounds the buffer that a reader or writer keeps between messages
	maxSkipped = 256 << 20 // bytes of one line over the limit
	lineEnd    = 4 << 10   // bytes at either end of a line over the limit in which its id is looked for
)

// LineReader reads newline-delimited messages. It is for one goroutine.
//
// spec 2025-11-25 basic/transports#stdio: "Messages are delimited by newlines,
// and MUST NOT contain embedded newlines".
type LineReader struct {
	r        *bufio.Reader
	small    *bufio.Reader // r, but while a long line is read; reads through to its source when it is empty
	max      int
	buf      []byte
	kept     []byte // buf of before, while a long line has another
	long     int    // length of the last line over maxKept
	skipping bool   // what is left of a line over the limit
	tail     []byte // the end of that line as far as it has come; nil when its id is known
}

// NewLineReader returns a reader of lines of at most max bytes.
func NewLineReader(r io.Reader, max int) *LineReader {
	small := bufio.NewReaderSize(r, 4096)
	return &LineReader{r: small, small: small, max: max}
}

// Read returns the next non-empty line without its newline. The caller owns the
// bytes. A last line without a newline counts. At the end it returns io.EOF;
// after [ErrLineTooLong] reading may go on.
func (l *LineReader) Read() ([]byte, error) {
	if l.skipping {
		if err := l.skip(); err != nil {
			return nil, err
		}
		if id := idAtEnd(l.tail); !id.IsZero() {
			l.tail = nil
			return nil, &LongLine{ID: id}
		}
	}
	for {
		line, err := l.line()
		if err != nil {
			return nil, err
		}
		switch {
		case len(line) == 0:
		case cap(l.buf) > maxKept:
			l.buf, l.kept, l.long = l.kept, nil, len(line) // the caller's now
			return line, nil
		default:
			return append([]byte(nil), line...), nil
		}
	}
}

func (l *LineReader) line() ([]byte, error) {
	l.buf = l.buf[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		ended := !errors.Is(err, bufio.ErrBufferFull)
		if ended && err != nil && (!errors.Is(err, io.EOF) || len(l.buf)+len(part) == 0) {
			return nil, err
		}
		if len(l.buf)+len(part) > l.max+len("\r\n") {
			return nil, l.tooLong(part, ended)
		}
		l.grow(len(part))
		l.buf = append(l.buf, part...)
		if !ended {
			continue
		}
		if l.r.Buffered() == 0 {
			l.r = l.small
		}
		line := trimNewline(l.buf)
		if len(line) > l.max {
			return nil, l.tooLong(nil, true)
		}
		return line, nil
	}
}

// grow makes room for n bytes more of a line. A line that has become long is read by
// larger pieces, and is likely to be about as long as the last one.
func (l *LineReader) grow(n int) {
	need := len(l.buf) + n
	if need <= maxKept {
		return
	}
	if l.r == l.small && l.small.Buffered() == 0 {
		l.r = bufio.NewReaderSize(l.small, maxKept)
	}
	if need > cap(l.buf) {
		if cap(l.buf) <= maxKept {
			l.kept = l.buf
		}
		room := min(l.long+l.long/16, 16*need)
		if room < need {
			room = 2 * need
		}
		l.buf = append(make([]byte, 0, min(room, max(need, l.max+len("\r\n")))), l.buf...)
	}
}

// tooLong gives up the line, of which part has come after what is in the buffer.
func (l *LineReader) tooLong(part []byte, ended bool) error {
	head := l.buf[:min(len(l.buf), lineEnd)]
	id := PeekID(head)
	l.tail = nil
	if id.IsZero() {
		l.keep(l.buf)
		l.keep(part)
	}
	if id.IsZero() && ended {
		id = idAtEnd(l.tail)
	}
	l.buf, l.kept = l.kept, nil // whoever sends such lines may never end this one
	l.skipping = !ended
	return &LongLine{ID: id}
}

// keep keeps the end of what has come of a line over the limit.
func (l *LineReader) keep(part []byte) {
	part = part[max(0, len(part)-lineEnd):]
	if over := len(l.tail) + len(part) - lineEnd; over > 0 {
		l.tail = append(l.tail[:0], l.tail[over:]...)
	}
	l.tail = append(l.tail, part...)
}

// skip reads to the end of a line over the limit.
func (l *LineReader) skip() error {
	for n := 0; n < maxSkipped; {
		part, err := l.r.ReadSlice('\n')
		n += len(part)
		if l.tail != nil {
			l.keep(part)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		l.skipping = false
		return err
	}
	return ErrLineEndless
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
