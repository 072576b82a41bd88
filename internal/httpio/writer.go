// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpio

import (
	"net/http"
	"time"
)

// part is how much of an answer a client must take within the timeout, in bytes.
const part = 64 << 10

// Writer writes an answer. Its client must take each 64 KiB within the timeout,
// on a stream of HTTP/2 too; otherwise the write fails. The last deadline is also
// that of what the server writes when the handler has returned. Where the server
// does not support deadlines, there are none. Writer is a value, for one goroutine, but for Cut.
type Writer struct {
	W       http.ResponseWriter
	Timeout time.Duration
}

// Write implements [io.Writer].
func (w Writer) Write(p []byte) (int, error) {
	written := 0
	for {
		w.deadline(time.Now().Add(w.Timeout))
		n, err := w.W.Write(p[written:min(len(p), written+part)])
		if written += n; err != nil || written == len(p) {
			return written, err
		}
	}
}

// WriteParts writes several texts, one after the other.
func (w Writer) WriteParts(texts [][]byte) error {
	left := 0 // of what must be taken before the deadline
	for _, text := range texts {
		for len(text) > 0 {
			if left == 0 {
				w.deadline(time.Now().Add(w.Timeout))
				left = part
			}
			n, err := w.W.Write(text[:min(len(text), left)])
			if err != nil {
				return err
			}
			text, left = text[n:], left-n
		}
	}
	return nil
}

// Flush sends what has been written.
func (w Writer) Flush() error {
	w.deadline(time.Now().Add(w.Timeout))
	return http.NewResponseController(w.W).Flush()
}

// Begin sets the deadline of an answer that is sent by whoever called the
// handler: of a header without a body, or with a short one.
func (w Writer) Begin() { w.deadline(time.Now().Add(w.Timeout)) }

// Rest takes the deadline away: nothing is being written, and may not be for longer
// than the timeout. A stream of HTTP/2 ends with its deadline, written to or not.
func (w Writer) Rest() { w.deadline(time.Time{}) }

// Cut makes a write in progress, by another goroutine, fail at once.
func (w Writer) Cut() { w.deadline(time.Unix(1, 0)) }

func (w Writer) deadline(t time.Time) {
	_ = http.NewResponseController(w.W).SetWriteDeadline(t) // see Writer
}

// Refuse gets the connection ready for an answer to a request whose body is not
// read: the server reads what is left of it first, which must not take long.
func (w Writer) Refuse() {
	_ = http.NewResponseController(w.W).SetReadDeadline(time.Now().Add(bodyGrace)) // see Writer
	w.Begin()
}
