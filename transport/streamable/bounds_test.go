// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package streamable

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/nettest"
	"github.com/holdfast-mcp/holdfast/transport"
)

// inMemory serves f under a fake clock and returns how to connect.
func inMemory(t *testing.T, cfg Config, f exchanges) func(from string) net.Conn {
	return nettest.Serve(t, &http.Server{Handler: NewHandler(f, cfg)}, nil)
}

// post begins a POST with the beginning of a body. It ends with what is read of it.
func post(c net.Conn, length int, body string) {
	go func() { // see above: in memory a write waits for its reader
		_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: */*\r\n"+
			"Content-Length: %d\r\n\r\n%s", length, body) // a failure shows in the answer
	}()
}

func answer(t *testing.T, c net.Conn) (status int, body string, h http.Header) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

func TestSlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := inMemory(t, Config{}, echo)
		c := dial("192.0.2.1")
		post(c, 1000, "half")
		began := time.Now()
		status, body, _ := answer(t, c)
		if took := time.Since(began); status != http.StatusRequestTimeout || took > time.Minute {
			t.Errorf("%d %s after %v, want 408", status, body, took)
		}
	})
}

// TestRefusedBody holds that a body which is not wanted is not waited for.
func TestRefusedBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := inMemory(t, Config{}, echo)
		c := dial("192.0.2.1")
		_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nhalf")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if status, _, _ := answer(t, c); status != http.StatusUnsupportedMediaType || time.Since(began) > time.Minute {
			t.Errorf("%d after %v, want 415", status, time.Since(began))
		}
	})
}

// TestBudget holds that bodies share a budget for as long as they are used, and
// that who is refused may come again.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := transport.NewBudget(100_000, 75)
		goOn := make(chan struct{})
		later := make(chan *transport.Hold, 2)
		dial := inMemory(t, Config{Budget: budget}, func(x transport.Exchange) {
			if strings.HasPrefix(string(x.Body()), "keep") {
				hold := transport.HoldOf(x)
				hold.Keep()
				later <- hold
			}
			<-goOn
			x.Reply(200, []byte("{}"))
		})
		var conns []net.Conn
		for _, from := range []string{"192.0.2.1", "192.0.2.2"} {
			c := dial(from)
			post(c, 50_000, "keep"+strings.Repeat("x", 49_996))
			conns = append(conns, c)
		}
		synctest.Wait()
		third := dial("192.0.2.3")
		post(third, 50_000, strings.Repeat("x", 50_000))
		status, body, h := answer(t, third)
		if status != 503 || h.Get("Retry-After") != "1" || !strings.Contains(body, "again") {
			t.Errorf("over the budget: %d %q, Retry-After %q", status, body, h.Get("Retry-After"))
		}
		small := dial("192.0.2.3")
		post(small, 2, "{}")
		close(goOn)
		if status, _, _ := answer(t, small); status != 200 {
			t.Errorf("a small message over the budget: %d", status)
		}
		for _, c := range conns {
			if status, _, _ := answer(t, c); status != 200 {
				t.Errorf("within the budget: %d", status)
			}
		}
		synctest.Wait()
		if used := budget.Used(); used < 90_000 {
			t.Errorf("%d bytes are in use while somebody keeps both", used)
		}
		(<-later).Release()
	})
}

// TestSlowReaders holds that answers of all kinds are given up when nobody reads
// them, and that shared ones arrive whole.
func TestSlowReaders(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	for _, tc := range []struct {
		name string
		f    exchanges
	}{
		{"reply", func(x transport.Exchange) { x.Reply(200, []byte(large)) }},
		{"error", func(x transport.Exchange) { x.Reply(400, []byte(large)) }},
		{"parts", func(x transport.Exchange) {
			x.(transport.PartsReplier).ReplyParts([][]byte{[]byte(large[:10]), []byte(large[10:])})
		}},
		{"stream", func(x transport.Exchange) {
			s := x.Stream()
			_ = s.Send(transport.Event{Data: []byte(large)})
			s.Close()
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				done := make(chan time.Duration, 2)
				dial := inMemory(t, Config{WriteTimeout: 5 * time.Second}, func(x transport.Exchange) {
					began := time.Now()
					tc.f(x)
					done <- time.Since(began)
				})
				idle := dial("192.0.2.1")
				post(idle, 2, "{}")
				if took := <-done; took != 5*time.Second {
					t.Errorf("given up after %v, want 5s", took)
				}
				reader := dial("192.0.2.1")
				post(reader, 2, "{}")
				if _, body, _ := answer(t, reader); strings.Count(body, "x") != len(large) {
					t.Errorf("%d bytes arrived of %d", strings.Count(body, "x"), len(large))
				}
				<-done
			})
		})
	}
}

// TestUnreadBudget holds that answers which wait for their clients have a budget,
// and that over it a client must read at once, which one that reads does.
func TestUnreadBudget(t *testing.T) {
	large := strings.Repeat("x", 200_000)
	for name, f := range map[string]exchanges{
		"reply": func(x transport.Exchange) { x.Reply(200, []byte(large)) },
		"stream": func(x transport.Exchange) {
			s := x.Stream()
			_ = s.Send(transport.Event{Data: []byte(large)}) // shows in how long it takes
			s.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				budget := transport.NewBudget(300_000, 100)
				took := make(chan time.Duration, 10)
				dial := inMemory(t, Config{Unread: budget}, func(x transport.Exchange) {
					began := time.Now()
					f(x)
					took <- time.Since(began)
				})
				for range 3 { // who read the header, and nothing else
					c := dial("192.0.2.1")
					post(c, 2, "{}")
					if _, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil); err != nil { //nolint:bodyclose // which is not read
						t.Fatal(err)
					}
					synctest.Wait()
				}
				reader := dial("192.0.2.1")
				post(reader, 2, "{}")
				if _, body, _ := answer(t, reader); strings.Count(body, "x") != len(large) {
					t.Errorf("a client that reads gets %d bytes of %d", strings.Count(body, "x"), len(large))
				}
				for i, want := range []time.Duration{0, time.Second, time.Second, defaultWriteTimeout} {
					if got := <-took; got != want {
						t.Errorf("answer %d took %v, want %v", i, got, want)
					}
				}
				synctest.Wait()
				if used := budget.Used(); used != 0 {
					t.Errorf("%d bytes count in the end", used)
				}
			})
		})
	}
}
