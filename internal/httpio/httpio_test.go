// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/internal/nettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves h on a connection in memory and returns its other end.
func serve(t *testing.T, h http.HandlerFunc) net.Conn {
	return nettest.Serve(t, &http.Server{Handler: h}, nil)("192.0.2.1")
}

// room notes what it is asked for and refuses more than its limit.
type room struct {
	limit int
	asked []int
}

var errNoRoom = errors.New("no room")

func (r *room) Grow(n int) error {
	if r.asked = append(r.asked, n); r.limit > 0 && n > r.limit {
		return errNoRoom
	}
	return nil
}

// pause waits, at most until the test ends.
func pause(t *testing.T, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// outcome is what ReadBody returned, after how long.
type outcome struct {
	body []byte
	err  error
	took time.Duration
}

// post sends a request with a body, so many bytes every so often, and returns
// what was read. A length of -1 is not announced.
func post(t *testing.T, length, size, step int, every time.Duration, max int64, to *room) outcome {
	got := make(chan outcome, 1)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		body, err := ReadBody(w, r, max, to)
		got <- outcome{body, err, time.Since(began)}
		Writer{w, time.Second}.Refuse()
	})
	head := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", length)
	if length < 0 {
		head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	}
	go func() { // ends with the connection
		_, _ = io.WriteString(c, head)
		for sent := 0; sent < size; {
			n := min(step, size-sent)
			text := strings.Repeat("x", n)
			if length < 0 {
				text = fmt.Sprintf("%x\r\n%s\r\n", n, text)
			}
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
			if sent += n; sent < size {
				pause(t, every)
			}
		}
		if length < 0 {
			_, _ = io.WriteString(c, "0\r\n\r\n")
		}
	}()
	go func() { _, _ = io.Copy(io.Discard, c) }() // so does this
	return <-got
}

func TestReadBodyInTime(t *testing.T) {
	const mib = 1 << 20
	for _, tc := range []struct {
		name               string
		length, size, step int
		every              time.Duration
		want               error
		took               time.Duration // 0 for whatever
	}{
		{"at once", 100, 100, 100, 0, nil, 0},
		{"at once, large", 4 * mib, 4 * mib, 4 * mib, 0, nil, 0},
		{"at once, not announced", -1, 4 * mib, 4 * mib, 0, nil, 0},
		{"nothing", 100, 0, 1, 0, ErrSlow, bodyGrace},
		{"all but the last byte", 4 * mib, 4*mib - 1, 4 * mib, 0, ErrSlow, bodyGrace + 63*time.Second},
		{"byte by byte", 100, 100, 1, time.Second, ErrSlow, bodyGrace},
		{"byte by byte, not announced", -1, 100, 1, time.Second, ErrSlow, bodyGrace},
		{"slowly, but moving", 4 * mib, 4 * mib, 64 << 10, time.Second, nil, 63 * time.Second},
		{"too slowly", 4 * mib, 4 * mib, 32 << 10, 1100 * time.Millisecond, ErrSlow, 18 * time.Second},
		{"empty", 0, 0, 1, 0, nil, 0},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := post(t, tc.length, tc.size, tc.step, tc.every, 4*mib, &room{})
				if !errors.Is(got.err, tc.want) || tc.want == nil && len(got.body) != tc.size || tc.took > 0 && got.took != tc.took {
					t.Errorf("%d bytes, %v after %v; want %d, %v after %v", len(got.body), got.err, got.took, tc.size, tc.want, tc.took)
				}
			})
		})
	}
}

// TestReadBodyMemory holds that memory follows what arrives, whatever is announced.
func TestReadBodyMemory(t *testing.T) {
	for _, tc := range []struct {
		name         string
		length, size int
		most         int // bytes asked for
	}{
		{"announced, nothing came", 4 << 20, 0, firstBuffer},
		{"announced, some came", 4 << 20, 100_000, growth * 100_000},
		{"announced, small", 300, 300, 300},
		{"not announced, nothing came", -1, 0, firstBuffer},
		{"all came", 1 << 20, 1 << 20, 1 << 20},
		{"all came, not announced", -1, 1 << 20, 2 << 20},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to := &room{}
				post(t, tc.length, tc.size, max(tc.size, 1), 0, 4<<20, to)
				if last := to.asked[len(to.asked)-1]; last > tc.most {
					t.Errorf("asked for %d bytes, want at most %d", last, tc.most)
				}
			})
		})
	}
}

func TestReadBodyBounds(t *testing.T) {
	for _, tc := range []struct {
		name         string
		length, size int
		limit        int // of the room
		tooLarge     bool
		want         error
	}{
		{"at the limit", 1000, 1000, 0, false, nil},
		{"over the limit", 1001, 1001, 0, true, nil},
		{"at the limit, not announced", -1, 1000, 0, false, nil},
		{"over the limit, not announced", -1, 1001, 0, true, nil},
		{"no room", 1000, 1000, 999, false, errNoRoom},
		{"no room, not announced", -1, 1000, 999, false, errNoRoom},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := post(t, tc.length, tc.size, tc.size, 0, 1000, &room{limit: tc.limit})
				_, tooLarge := errors.AsType[*http.MaxBytesError](got.err)
				if tooLarge != tc.tooLarge || tc.want != nil && !errors.Is(got.err, tc.want) || tc.want == nil && !tc.tooLarge && got.err != nil {
					t.Errorf("%d bytes, %v", len(got.body), got.err)
				}
			})
		})
	}
}

// TestRefusedBodyIsRead holds that a body which there is no room for is read and
// dropped, in time, so that its client sees the answer.
func TestRefusedBodyIsRead(t *testing.T) {
	for _, tc := range []struct {
		name         string
		length, size int
		took         time.Duration
	}{
		{"all came", 1 << 20, 1 << 20, time.Second},
		{"not announced", -1, 1 << 20, time.Second},
		{"all but the last byte", 1 << 20, 1<<20 - 1, bodyGrace + 15*time.Second},
		{"half", 1 << 20, 1 << 19, bodyGrace + 8*time.Second},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := post(t, tc.length, tc.size, tc.size, 0, 4<<20, &room{limit: 100_000})
				if !errors.Is(got.err, errNoRoom) || got.took.Truncate(time.Second) != tc.took {
					t.Errorf("%v after %v, want it refused after %v", got.err, got.took, tc.took)
				}
			})
		})
	}
}

func TestReadBodyCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(chan error, 1)
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, err := ReadBody(w, r, 1000, &room{})
			got <- err
		})
		go func() { _, _ = io.Copy(io.Discard, c) }() // ends with the connection
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
		c.Close()
		if err := <-got; err == nil || errors.Is(err, ErrSlow) {
			t.Errorf("half a body: %v", err)
		}
	})
}

// TestBodyDeadlineEnds holds that the deadline of a body is none of what the
// connection does later.
func TestBodyDeadlineEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if _, err := ReadBody(w, r, 1000, &room{}); err != nil {
				t.Error(err)
			}
			select {
			case <-r.Context().Done():
				t.Error("the client counts as gone while it waits")
			case <-time.After(time.Hour):
			}
			_, _ = Writer{w, time.Second}.Write([]byte("late"))
		})
		in := bufio.NewReader(c)
		for range 2 {
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(res.Body); err != nil || string(body) != "late" {
				t.Fatalf("%q, %v", body, err)
			}
			_ = res.Body.Close()
			time.Sleep(time.Minute)
		}
	})
}

func TestWriter(t *testing.T) {
	for _, parts := range []bool{false, true} {
		t.Run(fmt.Sprintf("parts=%t", parts), func(t *testing.T) { testWriter(t, parts) })
	}
}

func testWriter(t *testing.T, parts bool) {
	const timeout = 30 * time.Second
	for _, tc := range []struct {
		name  string
		read  int // so many bytes
		every time.Duration
		whole bool
	}{
		{"reads at once", 1 << 20, 0, true},
		{"reads slowly", 32 << 10, timeout / 4, true},
		{"reads too slowly", 1 << 10, timeout / 4, false},
		{"reads nothing", 0, time.Hour, false},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const size = 1 << 20
				wrote := make(chan error, 1)
				c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Length", fmt.Sprint(size))
					if parts {
						wrote <- Writer{w, timeout}.WriteParts([][]byte{make([]byte, 10), make([]byte, size-20), nil, make([]byte, 10)})
						return
					}
					_, err := Writer{w, timeout}.Write(make([]byte, size))
					wrote <- err
				})
				_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				go func() { // ends with the connection
					for t.Context().Err() == nil {
						pause(t, tc.every)
						if _, err := io.CopyN(io.Discard, c, int64(tc.read)); err != nil {
							return
						}
					}
				}()
				if err := <-wrote; (err == nil) != tc.whole {
					t.Errorf("written: %v, want whole %v", err, tc.whole)
				}
			})
		})
	}
}

// TestNoDeadlines holds that a server without deadlines is good enough.
func TestNoDeadlines(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/", bytes.NewReader(make([]byte, 100_000)))
	body, err := ReadBody(w, r, 1<<20, &room{})
	if err != nil || len(body) != 100_000 {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	if n, err := (Writer{w, time.Second}).Write(body); err != nil || n != len(body) || w.Body.Len() != n {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func BenchmarkReadBody(b *testing.B) {
	for _, size := range []int{300, 100_000} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			text := make([]byte, size)
			w, to := httptest.NewRecorder(), &room{}
			b.ReportAllocs()
			for b.Loop() {
				to.asked = to.asked[:0]
				r := &http.Request{ContentLength: int64(size), Body: io.NopCloser(bytes.NewReader(text))}
				if _, err := ReadBody(w, r, 1<<20, to); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
