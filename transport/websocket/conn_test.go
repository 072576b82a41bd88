// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package websocket

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/nettest"
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

// TestTooManyBytesWait holds that what waits is bounded in bytes too, but that one
// message is written whatever its size.
func TestTooManyBytesWait(t *testing.T) {
	full := make(chan struct{})
	s, _ := serve(t, Config{QueueBytes: 1 << 20, PongTimeout: patience}, func(_ context.Context, c transport.Conn) error {
		msg := make([]byte, 2<<20)
		if err := c.Write(msg); err != nil {
			t.Errorf("a message that waits alone: %v", err)
		}
		errs := make(chan error)
		for range 2 {
			go func() { errs <- c.Write(make([]byte, 32<<20)) }()
		}
		<-c.(*conn).done
		close(full)
		for range 2 {
			if err := <-errs; err == nil {
				t.Error("a message that nobody reads is written")
			}
		}
		return c.Close()
	})
	p := rawPeer(t, s)
	if _, payload, err := p.frame(); err != nil || len(payload) == 0 {
		t.Fatal(err)
	}
	for read := 0; read < 2<<20-fragment; { // the rest of the first
		_, payload, err := p.frame()
		if err != nil {
			t.Fatal(err)
		}
		read += len(payload)
	}
	within(t, full) // nothing more is read until then
	if status, _ := p.closeStatus(); status != 1013 {
		t.Errorf("closed with %d, want 1013", status)
	}
	p.Close()
}

func TestParts(t *testing.T) {
	s, _ := serve(t, Config{}, func(_ context.Context, c transport.Conn) error {
		_ = c.(transport.PartsWriter).WriteParts([][]byte{[]byte("<"), bytes.Repeat([]byte("x"), 200_000), []byte(">")}) // shows below
		_, err := c.Read()
		return err
	})
	c := dial(t, s, DialConfig{})
	if msg, err := c.Read(); err != nil || len(msg) != 200_002 || msg[0] != '<' || msg[200_001] != '>' {
		t.Errorf("%d bytes, %v", len(msg), err)
	}
}

// TestSlowMessage holds that a message must go on to arrive, whatever else the
// peer does.
func TestSlowMessage(t *testing.T) {
	for _, tc := range []struct {
		name  string
		size  int
		every time.Duration // 64 KiB, or what is left
		ends  time.Duration // 0 if it arrives
	}{
		{"half", 4, time.Hour, 10 * time.Second},
		{"all but the last byte", 1<<20 - 1, 0, 25 * time.Second},
		{"slowly", 1 << 20, time.Second, 0},
		{"too slowly", 1 << 20, 4 * time.Second, 14 * time.Second},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := NewHandler(conns(echo), Config{})
				t.Cleanup(h.Close)
				p, _ := shake(t, nettest.Serve(t, &http.Server{Handler: h}, nil)("192.0.2.1"), "Sec-WebSocket-Protocol: mcp\r\n")
				began := time.Now()
				go func() { // ends with the connection
					_, err := p.Write(frameHead(opText, 1<<20))
					for rest := make([]byte, tc.size); err == nil && len(rest) > 0; {
						n := min(len(rest), 64<<10)
						_, err = p.Write(rest[:n])
						rest = rest[n:]
						select {
						case <-time.After(tc.every):
						case <-t.Context().Done():
						}
					}
				}()
				op, payload, err := p.frame()
				for ; err == nil && op == opPing; op, payload, err = p.frame() {
				}
				switch took := time.Since(began); {
				case err != nil:
					t.Fatal(err)
				case tc.ends == 0 && op == opClose:
					t.Errorf("closed after %v: %s", took, payload)
				case tc.ends > 0 && (op != opClose || took != tc.ends || binary.BigEndian.Uint16(payload) != 1008):
					t.Errorf("op %d, %.10q after %v, want a close with 1008 after %v", op, payload, took, tc.ends)
				}
				p.Close()
			})
		})
	}
}

// TestBudget holds that large messages share a budget, and that who finds it used
// up is told to come again.
func TestBudget(t *testing.T) {
	budget := transport.NewBudget(200_000, 100)
	holds := make(chan *transport.Hold, 2)
	s, _ := serve(t, Config{Budget: budget}, func(_ context.Context, c transport.Conn) error {
		for {
			if _, err := c.Read(); err != nil {
				return nil //nolint:nilerr // the peer has left, or has been refused
			}
			holds <- transport.HoldOf(c)
		}
	})
	one, other := rawPeer(t, s), rawPeer(t, s)
	one.send(opText, bytes.Repeat([]byte("x"), 120_000))
	hold := within(t, holds)
	other.send(opText, bytes.Repeat([]byte("x"), 120_000))
	if status, why := other.closeStatus(); status != 1013 || why == "" {
		t.Errorf("closed with %d %q, want 1013", status, why)
	}
	one.send(opText, []byte("small"))
	if h := within(t, holds); h != nil {
		t.Error("a small message has a part of the budget")
	}
	hold.Release()
	until(t, func() bool { return budget.Used() == 0 })
	one.Close()
	other.Close()
}

// TestUnreadBudget holds that over the budget of unread messages a peer must read
// at once.
func TestUnreadBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := make(chan error, 2)
		h := NewHandler(conns(func(_ context.Context, c transport.Conn) error {
			failed <- c.Write(make([]byte, 1<<20))
			return c.Close()
		}), Config{Unread: transport.NewBudget(3<<19, 100)})
		t.Cleanup(h.Close)
		dial := nettest.Serve(t, &http.Server{Handler: h}, nil)
		began := time.Now()
		for range 2 {
			shake(t, dial("192.0.2.1"), "Sec-WebSocket-Protocol: mcp\r\n")
			synctest.Wait()
		}
		for _, want := range []time.Duration{time.Second, 30 * time.Second} {
			if err := <-failed; err == nil || time.Since(began) != want {
				t.Errorf("written after %v: %v, want a failure after %v", time.Since(began), err, want)
			}
		}
	})
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
