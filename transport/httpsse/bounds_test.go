// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpsse

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/nettest"
	"github.com/holdfast-mcp/holdfast/internal/sse"
	"github.com/holdfast-mcp/holdfast/transport"
)

// inMemory serves srv under a fake clock and returns how to connect.
func inMemory(t *testing.T, srv transport.Server, cfg Config) func() net.Conn {
	h := NewHandler(srv, cfg)
	dial := nettest.Serve(t, &http.Server{Handler: h}, nil)
	t.Cleanup(h.Close)
	return func() net.Conn { return dial("192.0.2.1") }
}

// subscribe opens a stream and returns its connection and the path for POSTs.
func subscribe(t *testing.T, c net.Conn) (*sse.Reader, string) {
	t.Helper()
	if _, err := io.WriteString(c, "GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil) //nolint:bodyclose // the stream stays open with its connection
	if err != nil {
		t.Fatal(err)
	}
	r := sse.NewReader(res.Body, 64<<20)
	e, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	return r, "/" + string(e.Data) // which is seen from /sse
}

// send POSTs the beginning of a body and returns the status of the answer.
func send(t *testing.T, c net.Conn, path string, length int, body string) int {
	t.Helper()
	go func() { // ends with what is read of it
		_, _ = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			path, length, body) // a failure shows in the answer
	}()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode
}

func TestSlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := inMemory(t, echo{}, Config{})
		_, path := subscribe(t, dial())
		began := time.Now()
		if status := send(t, dial(), path, 1000, "half"); status != http.StatusRequestTimeout || time.Since(began) > time.Minute {
			t.Errorf("%d after %v, want 408", status, time.Since(began))
		}
	})
}

// TestQueueIsBounded holds that a POST waits for a stream that does not read, but
// not for long, and that what the stream has taken is in the budget until then.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := transport.NewBudget(1<<20, 100)
		dial := inMemory(t, deaf{}, Config{Budget: budget})
		stream := dial()
		_, path := subscribe(t, stream)
		body := strings.Repeat("x", 20_000)
		for range queued {
			if status := send(t, dial(), path, len(body), body); status != 202 {
				t.Fatalf("POST: %d", status)
			}
		}
		if used := budget.Used(); used < queued*15_000 {
			t.Errorf("%d bytes are in use by %d messages that wait", used, queued)
		}
		began := time.Now()
		if status := send(t, dial(), path, len(body), body); status != 503 || time.Since(began) != takeTimeout {
			t.Errorf("one more: %d after %v, want 503 after %v", status, time.Since(began), takeTimeout)
		}
		stream.Close()
		synctest.Wait()
		if used := budget.Used(); used != 0 {
			t.Errorf("%d bytes are in use when the stream has ended", used)
		}
	})
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := inMemory(t, deaf{}, Config{Budget: transport.NewBudget(100_000, 100)})
		_, path := subscribe(t, dial())
		large := strings.Repeat("x", 60_000)
		for _, want := range []int{202, 503} {
			if status := send(t, dial(), path, len(large), large); status != want {
				t.Errorf("a message of 60,000 bytes: %d, want %d", status, want)
			}
		}
		if status := send(t, dial(), path, 2, "{}"); status != 202 {
			t.Errorf("a small message over the budget: %d", status)
		}
	})
}

// chatty serves a stream by writing so many messages at once.
type chatty struct {
	echo
	messages int
	parts    bool
	failed   chan error
}

func (w chatty) ServeConn(_ context.Context, c transport.Conn) error {
	defer c.Close()
	var wg sync.WaitGroup
	for range w.messages {
		wg.Go(func() {
			text := []byte(strings.Repeat("x", 1<<20))
			if w.parts {
				w.failed <- c.(transport.PartsWriter).WriteParts([][]byte{[]byte("<"), text, []byte(">")})
			} else {
				w.failed <- c.Write(text)
			}
		})
	}
	wg.Wait()
	return nil
}

// TestUnreadStream holds that a stream which nobody reads ends in time, and at
// once when too much waits for it that is in memory for its sake alone.
func TestUnreadStream(t *testing.T) {
	for _, tc := range []struct {
		messages int
		parts    bool
		within   time.Duration
	}{{1, false, 30 * time.Second}, {10, false, 30 * time.Second}, {10, true, 30 * time.Second}, {17, false, 0}, {17, true, 30 * time.Second}} {
		t.Run(fmt.Sprintf("%d,parts=%v", tc.messages, tc.parts), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := chatty{messages: tc.messages, parts: tc.parts, failed: make(chan error, tc.messages)}
				dial := inMemory(t, w, Config{KeepAlive: time.Hour})
				began := time.Now()
				subscribe(t, dial())
				for range tc.messages {
					if err := <-w.failed; err == nil {
						t.Error("a message that nobody reads is written")
					}
				}
				if took := time.Since(began); took != tc.within {
					t.Errorf("ended after %v, want %v", took, tc.within)
				}
			})
		})
	}
}

func TestParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := chatty{messages: 3, parts: true, failed: make(chan error, 3)}
		r, _ := subscribe(t, inMemory(t, w, Config{})())
		for range 3 {
			e, err := r.Read()
			if err != nil || e.Name != "message" || len(e.Data) != 1<<20+2 || e.Data[0] != '<' || e.Data[len(e.Data)-1] != '>' {
				t.Fatalf("event %q of %d bytes, %v", e.Name, len(e.Data), err)
			}
		}
	})
}

// TestUnreadBudget holds that over the budget of unread messages a client must
// read at once.
func TestUnreadBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := chatty{messages: 1, failed: make(chan error, 2)}
		dial := inMemory(t, w, Config{Unread: transport.NewBudget(3<<19, 100)})
		began := time.Now()
		for range 2 {
			subscribe(t, dial())
			synctest.Wait()
		}
		for _, want := range []time.Duration{time.Second, 30 * time.Second} {
			if err := <-w.failed; err == nil || time.Since(began) != want {
				t.Errorf("written after %v: %v, want a failure after %v", time.Since(began), err, want)
			}
		}
	})
}
