// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package streamable

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/httpio"
	"github.com/holdfast-mcp/holdfast/internal/sse"
	"github.com/holdfast-mcp/holdfast/transport"
)

// textBuffer is how much of a text is gathered before the answer begins, and
// then for each write: what a client must take within the write timeout.
const textBuffer = 32 << 10

var (
	_ transport.TextReplier = (*exchange)(nil)
	_ transport.TextSender  = (*stream)(nil)
)

// ReplyText implements [transport.TextReplier].
func (x *exchange) ReplyText(text transport.Text, headers ...string) (bool, error) {
	w := &textWriter{
		w: x.writer(),
		begin: func() []byte {
			h := x.w.Header()
			setHeaders(h, headers)
			h["Content-Type"] = jsonType
			x.w.WriteHeader(http.StatusOK)
			return nil
		},
	}
	err := w.pour(x.r.Context(), text, nil)
	x.broken = w.begun && err != nil
	return w.begun, err
}

// SendText implements [transport.TextSender].
func (s *stream) SendText(e transport.Event, text transport.Text) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = text.Close() // has no error to tell
		return false, transport.ErrClosed
	}
	w := &textWriter{w: s.w, begin: func() []byte {
		head := sse.Append(nil, sse.Event{ID: e.ID, Name: e.Name, Retry: e.Retry})
		return head[:len(head)-2] // of the empty data, without the two line ends
	}}
	err := w.pour(s.gone, text, []byte("\n\n"))
	s.last = time.Now()
	if w.begun && err != nil {
		s.broken = true
		s.closeLocked()
	}
	return w.begun, err
}

// textWriter writes parts of a text, each with its deadline.
type textWriter struct {
	w     httpio.Writer
	begin func() []byte // opens the answer; what it returns goes first
	begun bool
}

// pour writes text and what follows it.
func (w *textWriter) pour(gone context.Context, text transport.Text, tail []byte) error {
	defer text.Close()
	stop := context.AfterFunc(gone, func() { _ = text.Close() })
	defer stop()
	buf := bufio.NewWriterSize(w, textBuffer)
	_, err := text.WriteTo(buf)
	if err == nil {
		_, _ = buf.Write(tail) // an error stays with the buffer
		err = buf.Flush()
	}
	if !w.begun {
		return err
	}
	if err == nil {
		err = w.w.Flush()
	}
	return err
}

// Write begins the answer when it has not begun, and writes p.
func (w *textWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.begun = true
		if head := w.begin(); head != nil {
			if _, err := w.w.Write(head); err != nil {
				return 0, fmt.Errorf("send a large answer: %w", err)
			}
		}
	}
	n, err := w.w.Write(p)
	if err != nil {
		err = fmt.Errorf("send a large answer: %w", err)
	}
	return n, err
}
