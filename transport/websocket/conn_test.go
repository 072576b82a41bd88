// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/transport"
)

func TestRoundTrips(t *testing.T) {
	s, _ := serve(t, Config{MaxMessage: 8 << 20}, echo)
	c := dial(t, s, DialConfig{})
	for _, n := range []int{0, 1, keptBuffer - 1, keptBuffer, keptBuffer + 1, fragment, fragment + 1, 5 << 20, 2} {
		msg := bytes.Repeat([]byte("a"), n)
		if err := c.Write(msg); err != nil {
			t.Fatal(err)
		}
		got, err := c.Read()
		if err != nil || !bytes.Equal(got, msg) {
			t.Fatalf("%d bytes came back as %d, %v", n, len(got), err)
		}
		clear(got) // ours: it must not show in what comes next
	}
}

func TestWritesMayRunTogether(t *testing.T) {
	s, _ := serve(t, Config{}, echo)
	c := dial(t, s, DialConfig{})
	msg := []byte(`"` + strings.Repeat("ä", fragment) + `"`)
	const writers = 8
	errs := make(chan error, writers)
	for range writers {
		go func() { errs <- c.Write(msg) }()
	}
	for range writers {
		if got, err := c.Read(); err != nil || !bytes.Equal(got, msg) {
			t.Fatalf("got %d bytes, %v", len(got), err)
		}
		if err := within(t, errs); err != nil {
			t.Error(err)
		}
	}
}

func TestClose(t *testing.T) {
	ended := make(chan error, 1)
	s, _ := serve(t, Config{}, func(ctx context.Context, c transport.Conn) error {
		_, err := c.Read()
		ended <- err
		return err
	})
	c := dial(t, s, DialConfig{})
	read := make(chan error, 1)
	go func() {
		_, err := c.Read()
		read <- err
	}()
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := within(t, read); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Read = %v, want ErrClosed", err)
	}
	if _, err := c.Read(); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Read after Close = %v, want ErrClosed", err)
	}
	if err := c.Write([]byte("1")); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Write after Close = %v, want ErrClosed", err)
	}
	if err := within(t, ended); !errors.Is(err, io.EOF) {
		t.Errorf("the other side's Read = %v, want EOF", err)
	}
}

func TestSilentPeerIsClosed(t *testing.T) {
	ended := make(chan error, 1)
	s, _ := serve(t, Config{Ping: 10 * time.Millisecond, PongTimeout: 30 * time.Millisecond}, func(ctx context.Context, c transport.Conn) error {
		err := echo(ctx, c)
		ended <- err
		return err
	})
	p := rawPeer(t, s)
	if op, _, err := p.frame(); op != opPing {
		t.Fatalf("frame %d, %v; want a ping", op, err)
	}
	if status, why := p.closeStatus(); status != 1008 || !strings.Contains(why, "pings") {
		t.Errorf("closed with %d %q, want 1008", status, why)
	}
	p.ends()
	if err := within(t, ended); !errors.Is(err, ErrNoPong) {
		t.Errorf("ServeConn: %v, want ErrNoPong", err)
	}
}

func TestPeerThatPongsStays(t *testing.T) {
	s, _ := serve(t, Config{Ping: time.Millisecond, PongTimeout: patience}, echo)
	c := dial(t, s, DialConfig{Ping: time.Millisecond, PongTimeout: patience})
	read := make(chan string, 1)
	go func() {
		got, _ := c.Read()
		read <- string(got)
	}()
	until(t, func() bool { return c.(*conn).wire.reads.Load() > 20 }) // pings and pongs only
	if err := c.Write([]byte("1")); err != nil {
		t.Error(err)
	}
	if got := within(t, read); got != "1" {
		t.Errorf("Read = %q", got)
	}
}

func TestIdleConnIsClosed(t *testing.T) {
	ended := make(chan error, 1)
	s, _ := serve(t, Config{IdleTimeout: 30 * time.Millisecond, Ping: 5 * time.Millisecond}, func(ctx context.Context, c transport.Conn) error {
		err := echo(ctx, c)
		ended <- err
		return err
	})
	c := dial(t, s, DialConfig{}) // which answers pings
	if _, err := c.Read(); !errors.Is(err, io.EOF) {
		t.Errorf("Read = %v, want EOF", err)
	}
	if err := within(t, ended); !errors.Is(err, ErrIdle) {
		t.Errorf("ServeConn: %v, want ErrIdle", err)
	}
}

// endless writes messages until that fails.
func endless(ended chan<- error) conns {
	return func(_ context.Context, c transport.Conn) error {
		msg := make([]byte, 1<<20)
		for {
			if err := c.Write(msg); err != nil {
				ended <- err
				_, err = c.Read()
				ended <- err
				c.Close()
				return err
			}
		}
	}
}

func TestPeerThatDoesNotRead(t *testing.T) {
	ended := make(chan error, 2)
	s, _ := serve(t, Config{WriteTimeout: 50 * time.Millisecond}, endless(ended))
	p := rawPeer(t, s)
	if err := within(t, ended); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Write: %v, want ErrClosed", err)
	}
	if err := within(t, ended); !errors.Is(err, ErrTooSlow) {
		t.Errorf("Read: %v, want ErrTooSlow", err)
	}
	p.ends()
}

func TestTooManyWritesWait(t *testing.T) {
	const queue = 4
	full := make(chan struct{})
	s, _ := serve(t, Config{Queue: queue, PongTimeout: patience}, func(_ context.Context, c transport.Conn) error {
		msg := make([]byte, 32<<20)
		errs := make(chan error)
		for range queue + 1 {
			go func() { errs <- c.Write(msg) }()
		}
		<-c.(*conn).done
		close(full)
		slow := 0
		for range queue + 1 {
			if err := <-errs; errors.Is(err, ErrTooSlow) {
				slow++
			}
		}
		if slow != 1 {
			t.Errorf("%d writes were told ErrTooSlow, want one", slow)
		}
		return c.Close()
	})
	p := rawPeer(t, s)
	within(t, full) // nothing is read until then
	if status, why := p.closeStatus(); status != 1013 || why == "" {
		t.Errorf("closed with %d %q, want 1013", status, why)
	}
	p.Close()
}

// TestPeerThatStopsMidway: the closing handshake must not wait for the rest of a
// message that never comes.
func TestPeerThatStopsMidway(t *testing.T) {
	s, h := serve(t, Config{PongTimeout: 50 * time.Millisecond}, echo)
	p := rawPeer(t, s)
	if _, err := p.Write(append(frameHead(opText, 1<<40), "{"...)); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return h.openConns() > 0 }) // the handshake is over before the connection is known
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		h.Close()
	}()
	within(t, closed)
	p.ends()
}

func BenchmarkEcho(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"size=200", 200}, {"size=64k", 64 << 10}, {"size=1M", 1 << 20}} {
		b.Run(size.name, func(b *testing.B) {
			s, h := benchServer(b)
			c, err := Dial(b.Context(), wsURL(s), nil, DialConfig{})
			if err != nil {
				b.Fatal(err)
			}
			msg := bytes.Repeat([]byte("a"), size.n)
			b.SetBytes(int64(size.n))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Write(msg); err != nil {
					b.Fatal(err)
				}
				if _, err := c.Read(); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			c.Close()
			h.Close()
			s.Close()
		})
	}
}
