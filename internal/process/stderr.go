// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Limits of what is kept of standard error.
const (
	maxLine      = 2<<10 - len(ellipsis) // before characters are escaped; see maxPrinted
	tailLines    = 20
	tailBytes    = 4 << 10
	forwardQueue = 64 // lines between the reader and the receiver
	ellipsis     = "…"
)

// stderrPump reads a process's standard error as fast as it comes, keeps the tail, and forwards lines as far as the receiver
// and the server's share allow. One goroutine calls read and then close, another forward.
type stderrPump struct {
	src   *outPipe
	tail  tail
	write func(line outLine)
	share *logShare

	mu    sync.Mutex // of sending to queue, and closing it
	ended bool
	queue chan outLine

	received byteCounter // bytes
}

// outLine is a line that a process wrote.
type outLine struct {
	text   string
	stdout bool // to standard output, where it does not belong
}

func newStderrPump(src *outPipe, spec *Spec, log *slog.Logger, share *logShare) *stderrPump {
	s := &stderrPump{src: src, share: share, queue: make(chan outLine, forwardQueue)}
	if w := spec.Stderr; w != nil {
		s.write = func(line outLine) { _, _ = io.WriteString(w, line.text+"\n") }
	} else {
		log = log.With("server", spec.Name)
		s.write = func(line outLine) {
			words := "server stderr"
			if line.stdout {
				words = "server stdout"
			}
			log.Debug(words, "line", line.text)
		}
	}
	return s
}

// read returns at the end of src, which it closes.
func (s *stderrPump) read() {
	split := splitter{emit: s.line}
	_, _ = io.Copy(&split, io.TeeReader(s.src, &s.received)) // however it ends, it is the end
	split.flush()
	_ = s.src.Close()
}

// close ends forward once the queue is empty. read must have returned.
func (s *stderrPump) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	close(s.queue)
}

// line takes one line. It never waits; it allocates for a line only if the queue has room.
func (s *stderrPump) line(b []byte) { s.take(b, false) }

// take is line for both outputs of the process. What comes after close is dropped.
func (s *stderrPump) take(b []byte, stdout bool) {
	s.tail.add(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || len(s.queue) == cap(s.queue) {
		s.share.drop(len(b))
		return
	}
	s.queue <- outLine{string(b), stdout} // room is certain: nobody else sends meanwhile
}

// forward passes lines on until close.
func (s *stderrPump) forward() {
	for line := range s.queue {
		ok, missing := s.share.admit(len(line.text), time.Now())
		if missing != "" {
			s.write(outLine{text: missing})
		}
		if ok {
			line.text = printable(line.text)
			s.write(line)
		}
	}
	if missing := s.share.missing(); missing != "" {
		s.write(outLine{text: missing})
	}
}

// splitter is an [io.Writer] that cuts what it gets into lines of at most maxLine bytes; the rest of a longer line is left out.
type splitter struct {
	emit func(line []byte) // must not keep the slice
	buf  []byte
	over bool
}

// Write never fails.
func (s *splitter) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		part, rest, found := bytes.Cut(b, []byte{'\n'})
		if room := maxLine - len(s.buf); len(part) > room {
			part, s.over = part[:room], true
		}
		s.buf = append(s.buf, part...)
		if found {
			s.end()
		}
		b = rest
	}
	return n, nil
}

func (s *splitter) end() {
	line := bytes.TrimSuffix(s.buf, []byte{'\r'})
	if s.over {
		line = append(line, ellipsis...)
	}
	s.emit(line)
	s.buf, s.over = s.buf[:0], false
}

// flush emits a last line that had no newline.
func (s *splitter) flush() {
	if len(s.buf) > 0 {
		s.end()
	}
}

// tail keeps the last lines. Safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	last [][]byte
	size int
}

func (t *tail) add(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var reuse []byte
	for len(t.last) > 0 && (len(t.last) == tailLines || t.size+len(line) > tailBytes) {
		reuse = t.last[0][:0]
		t.size -= len(t.last[0])
		t.last = append(t.last[:0], t.last[1:]...)
	}
	t.last = append(t.last, append(reuse, line...))
	t.size += len(line)
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]string, len(t.last))
	for i, b := range t.last {
		out[i] = printable(string(b))
	}
	return out
}
