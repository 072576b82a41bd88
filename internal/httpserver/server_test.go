// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/nettest"
)

// serve serves h in memory until the test ends, and returns how to connect.
func serve(t *testing.T, max int, h http.HandlerFunc) func() net.Conn {
	log := slog.New(slog.DiscardHandler)
	conns := NewConns(max, 100, log)
	dial := nettest.Serve(t, New(h, conns, log), conns.Listener)
	return func() net.Conn { return dial("192.0.2.1") }
}

// within fails the test unless f returns before the given time has passed, and
// returns how long it took.
func within(t *testing.T, limit time.Duration, what string, f func()) time.Duration {
	t.Helper()
	began := time.Now()
	f()
	took := time.Since(began)
	if took > limit {
		t.Errorf("%s took %v, want at most %v", what, took, limit)
	}
	return took
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// TestNobodyReads holds that an answer of any length that nobody reads costs its
// connection after the write timeout.
func TestNobodyReads(t *testing.T) {
	for _, size := range []int{1, 100, 1 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failed := make(chan error, 1)
				dial := serve(t, 10, func(w http.ResponseWriter, _ *http.Request) {
					_, err := w.Write(make([]byte, size))
					failed <- err
				})
				c := dial()
				send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				took := within(t, writeTimeout, "an answer", func() { <-failed })
				if size > 64<<10 && took < writeTimeout {
					t.Errorf("given up after %v, want the whole timeout", took)
				}
				time.Sleep(writeTimeout + time.Second)
				within(t, 0, "reading what is left", func() {
					if n, err := io.Copy(io.Discard, c); err == nil && n > int64(size)+1000 {
						t.Errorf("read %d bytes", n)
					}
				})
			})
		})
	}
}

// TestSlowReader holds that who reads slowly, but does read, gets everything.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		dial := serve(t, 10, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			_, _ = w.Write(make([]byte, size))
		})
		c := dial()
		send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		read, buf := 0, make([]byte, writePart/2)
		for err == nil {
			time.Sleep(writeTimeout / 4)
			var n int
			n, err = io.ReadFull(res.Body, buf)
			read += n
		}
		if read != size {
			t.Errorf("read %d bytes of %d: %v", read, size, err)
		}
	})
}

// TestSilence holds the deadlines of what a client does not send.
func TestSilence(t *testing.T) {
	for _, tc := range []struct {
		name, send string
		limit      time.Duration
	}{
		{"nothing", "", headerTimeout},
		{"half a header", "POST / HTTP/1.1\r\nHost:", headerTimeout},
		{"no body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", headerTimeout},
		{"half a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345", headerTimeout},
		{"no next request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", idleTimeout},
		{"half an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\n", headerTimeout},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial := serve(t, 10, func(http.ResponseWriter, *http.Request) {}) // reads no body
				c := dial()
				send(t, c, tc.send)
				took := within(t, tc.limit+time.Second, "the end", func() { _, _ = io.Copy(io.Discard, c) })
				if took < tc.limit {
					t.Errorf("closed after %v, want %v", took, tc.limit)
				}
			})
		})
	}
}

func TestAtTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := serve(t, 3, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
		for i := range 20 {
			c := dial()
			send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || res.StatusCode != 204 {
				t.Fatalf("connection %d is not served beside idle ones: %v", i, err)
			}
			_ = res.Body.Close()
			synctest.Wait() // until the server knows that it is idle
			time.Sleep(time.Millisecond)
		}
	})
}

// frame is one frame of HTTP/2 (RFC 9113 §4.1).
func frame(kind, flags byte, stream uint32, payload string) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	head = append(head, flags)
	head = binary.BigEndian.AppendUint32(head, stream)
	return string(head) + payload
}

// get is the header of a GET, each field a literal without index (RFC 7541 §6.2.2).
func get() string {
	var b strings.Builder
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/"}} {
		b.WriteString("\x00" + string(rune(len(f[0]))) + f[0] + string(rune(len(f[1]))) + f[1])
	}
	return b.String()
}

// frames reads frames until the connection ends and sends the kind of each, with
// the stream.
func frames(c net.Conn, out chan<- [2]uint32) {
	defer close(out)
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		length := int64(binary.BigEndian.Uint32(head) >> 8)
		if _, err := io.CopyN(io.Discard, c, length); err != nil {
			return
		}
		out <- [2]uint32{uint32(head[3]), binary.BigEndian.Uint32(head[5:])}
	}
}

// TestNoWindow holds that an HTTP/2 client that gives its streams no room loses
// them, though its connection is well: error pages and short answers too.
func TestNoWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := serve(t, 1, func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) })
		c := dial()
		const settings, headers, reset, data = 4, 1, 3, 0
		got := make(chan [2]uint32, 1000)
		go frames(c, got) // ends with the connection
		send(t, c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+
			frame(settings, 0, 0, "\x00\x04\x00\x00\x00\x00")+ // SETTINGS_INITIAL_WINDOW_SIZE 0
			frame(settings, 1, 0, ""))
		for n := range 8 { // 4 are served at once, as one connection may be open
			send(t, c, frame(headers, 5, uint32(2*n+1), get()))
		}
		time.Sleep(writeTimeout + time.Second)
		synctest.Wait()
		ended := map[uint32]bool{}
		for len(got) > 0 {
			f := <-got
			if f[0] == data {
				t.Errorf("data on stream %d, which has no window", f[1])
			}
			if f[0] == reset {
				ended[f[1]] = true
			}
		}
		if len(ended) != 8 {
			t.Errorf("streams %v were reset, want all 8", ended)
		}
	})
}

func TestRequestsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var served sync.Map
		dial := serve(t, 1, func(w http.ResponseWriter, r *http.Request) {
			served.Store(r, true)
			<-release
		})
		c := dial()
		var got bytes.Buffer
		go func() { _, _ = io.Copy(&got, c) }() // ends with the connection
		send(t, c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+frame(4, 0, 0, "")+frame(4, 1, 0, ""))
		for n := range 8 {
			send(t, c, frame(1, 5, uint32(2*n+1), get()))
		}
		synctest.Wait()
		n := 0
		served.Range(func(any, any) bool { n++; return true })
		if n != streamsPerConn || !strings.Contains(got.String(), "too many requests at once") {
			t.Errorf("%d requests are served, want %d and the others refused", n, streamsPerConn)
		}
		close(release)
		synctest.Wait()
		send(t, c, frame(1, 5, 99, get()))
		synctest.Wait()
		n = 0
		served.Range(func(any, any) bool { n++; return true })
		if n != streamsPerConn+1 {
			t.Errorf("%d requests served in all, want one more than %d", n, streamsPerConn)
		}
	})
}

func TestConnWriteDeadlineOfTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		c, _ := (*Conns)(nil).Admit(theirs)
		defer c.Close()
		if err := c.SetWriteDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := c.Write([]byte("x")); err == nil || time.Since(began) != time.Hour {
			t.Errorf("failed after %v: %v, want the writer's own deadline", time.Since(began), err)
		}
	})
}

// opened returns how many connections are open.
func opened(s *Conns) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(len(s.open), len(s.secure))
}

// TestTLS holds the bounds of connections that are of TLS, which requests show.
func TestTLS(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	conns := NewConns(2, 100, log)
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS() // for its certificate
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || !r.TLS.HandshakeComplete {
			t.Error("a request does not show that it came by TLS")
		}
	}), conns, log)
	served := make(chan error, 1)
	go func() { // ends with Close below
		served <- srv.Serve(conns.Listener(tls.NewListener(l, &tls.Config{Certificates: s.TLS.Certificates}))) // a test
	}()
	for i := range 10 { // each over a connection of its own, which stays open
		c := &http.Client{Transport: s.Client().Transport.(*http.Transport).Clone()}
		defer c.CloseIdleConnections()
		res, err := c.Get("https://" + l.Addr().String())
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		res.Body.Close()
		if n := opened(conns); n > 2 {
			t.Errorf("%d connections are open", n)
		}
	}
	srv.Close()
	<-served
	for opened(conns) > 0 { // each is told of as it ends
		runtime.Gosched()
	}
}
