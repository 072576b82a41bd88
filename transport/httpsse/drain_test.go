// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpsse

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/transport"
)

// asking serves streams as an engine does one call that asks its client: after a
// drain has begun it reads one more message, answers, and leaves.
type asking struct{ echo }

func (asking) ServeConn(_ context.Context, c transport.Conn) error {
	defer c.Close()
	var last []byte
	for {
		msg, err := c.Read()
		switch {
		case errors.Is(err, transport.ErrDraining) && last == nil: // nothing is in flight
			return nil
		case errors.Is(err, transport.ErrDraining):
			if msg, err = c.Read(); err != nil {
				return err
			}
			return c.Write(msg)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		last = msg
	}
}

// TestDrain: streams end when nothing is in flight on them; what a call in flight
// waits for still arrives, from other nodes too.
func TestDrain(t *testing.T) {
	cluster(t, asking{}, func(t *testing.T, n *trio) {
		idle, calling := n.open("a"), n.open("a")
		n.post("b", calling.path, "call", 202, "")
		drained := make(chan error, 1)
		go func() { drained <- n.all["a"].Drain(t.Context()) }() // ends with the streams
		<-idle.ended
		n.post("a", idle.path, "{}", 404, "open a stream again")
		n.post("b", idle.path, "{}", 404, "open a stream again")
		w := httptest.NewRecorder()
		n.all["a"].ServeHTTP(w, request(t.Context(), "GET", "/sse", ""))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("a new stream while draining: %d %q", w.Code, w.Body)
		}
		back, w := request(t.Context(), "GET", "/sse", ""), httptest.NewRecorder()
		back.Header.Set("Accept", "text/event-stream")
		back.Header.Set("Last-Event-Id", "x")
		if n.all["a"].ServeHTTP(w, back); w.Code != 200 || w.Body.String() != "retry: 1000\n\n" {
			t.Errorf("who comes back while draining: %d %q", w.Code, w.Body)
		}
		synctest.Wait()
		select {
		case err := <-drained:
			t.Fatalf("drained with a call in flight: %v", err)
		default:
		}
		n.post("b", calling.path, "answer", 202, "")
		if got := calling.next(t); got != "answer" {
			t.Errorf("event %q", got)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
		<-calling.ended
		n.post("b", calling.path, "{}", 404, "open a stream again")
	})
}

// TestDrainCutsOff calls that take too long.
func TestDrainCutsOff(t *testing.T) {
	cluster(t, deaf{}, func(t *testing.T, n *trio) {
		s := n.open("a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := n.all["a"].Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drain: %v", err)
		}
		<-s.ended
		n.post("b", s.path, "{}", 404, "open a stream again")
		if err := n.all["a"].Drain(t.Context()); err != nil {
			t.Errorf("second drain: %v", err)
		}
	})
}

// TestCloseEndsStreams with nobody else there, too.
func TestCloseEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alone := &site{Handler: NewHandler(deaf{}, Config{})}
		n := &trio{t: t, all: map[string]*site{"alone": alone}}
		s := n.open("alone")
		n.post("alone", s.path, "{}", 202, "")
		alone.Close()
		<-s.ended
		alone.Close()
		n.post("alone", s.path, "{}", 404, "GET first")
	})
}
