// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// moved counts how often the system's deadline of reading is moved.
type moved struct {
	net.Conn
	n int
}

func (m *moved) SetReadDeadline(t time.Time) error {
	m.n++
	return m.Conn.SetReadDeadline(t)
}

// pipe returns a connection in memory and its other end.
func pipe(t *testing.T) (*Conn, *moved, net.Conn) {
	here, there := net.Pipe()
	t.Cleanup(func() { _, _ = here.Close(), there.Close() })
	m := &moved{Conn: here}
	return &Conn{Conn: m}, m, there
}

// TestReadDeadline holds that reads end when the deadline last set says so, whatever was
// set before and whether or not it was set while they were reading.
func TestReadDeadline(t *testing.T) {
	const never = time.Duration(-1)
	set := func(c *Conn, d time.Duration) {
		if d == never {
			_ = c.SetReadDeadline(time.Time{})
			return
		}
		_ = c.SetReadDeadline(time.Now().Add(d))
	}
	for _, tc := range []struct {
		name   string
		before []time.Duration // set before a read that is given up a second later, one after the other
		last   time.Duration   // set before the read
		during time.Duration   // set a second after it began; 0 for nothing
		want   time.Duration   // when the read ends, without data; never when data comes after an hour
	}{
		{name: "none", last: never, want: never},
		{name: "one", last: 10 * time.Second, want: 10 * time.Second},
		{name: "over", last: -time.Second, want: 0},
		{name: "a sooner one before", before: []time.Duration{10 * time.Second}, last: 2 * time.Minute, want: 2 * time.Minute},
		{name: "a later one before", before: []time.Duration{2 * time.Minute}, last: 10 * time.Second, want: 10 * time.Second},
		{name: "taken away", before: []time.Duration{10 * time.Second}, last: never, want: never},
		{name: "many before", before: []time.Duration{time.Minute, never, 10 * time.Second, time.Hour}, last: 3 * time.Second, want: 3 * time.Second},
		{name: "sooner while it reads", last: time.Minute, during: 5 * time.Second, want: 6 * time.Second},
		{name: "later while it reads", last: 10 * time.Second, during: time.Minute, want: 61 * time.Second},
		{name: "taken away while it reads", last: 10 * time.Second, during: never, want: never},
		{name: "over while it reads", last: time.Minute, during: -time.Second, want: time.Second},
		{name: "over while it reads without one", last: never, during: -time.Second, want: time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _, there := pipe(t)
				for _, d := range tc.before {
					set(c, d)
					time.AfterFunc(time.Second, func() { set(c, -time.Second) })
					if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Fatalf("before: %v", err)
					}
				}
				began := time.Now()
				set(c, tc.last)
				if tc.during != 0 {
					time.AfterFunc(time.Second, func() { set(c, tc.during) })
				}
				time.AfterFunc(time.Hour, func() { _, _ = io.WriteString(there, "x") })
				n, err := c.Read(make([]byte, 1))
				if tc.want == never {
					if n != 1 || err != nil || time.Since(began) != time.Hour {
						t.Errorf("read %d, %v after %v; want what came after an hour", n, err, time.Since(began))
					}
				} else if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != tc.want {
					t.Errorf("ended with %v after %v, want %v", err, time.Since(began), tc.want)
				}
				_ = c.Close()
				time.Sleep(time.Hour) // until the writer has seen that
			})
		})
	}
}

// TestReadDeadlineMoves holds that the deadlines net/http sets for each request move the
// system's no more than need be.
func TestReadDeadlineMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m, there := pipe(t)
		after := func(d time.Duration) {
			if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
				t.Fatal(err)
			}
		}
		read := func() {
			go func() { _, _ = io.WriteString(there, "x") }()
			if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		const requests = 100
		for range requests {
			after(idleTimeout)
			read()
			_ = c.SetReadDeadline(time.Time{})
			after(headerTimeout) // of what is there already
			after(headerTimeout) // of the body, too
			_ = c.SetReadDeadline(time.Time{})
			done := make(chan error)
			go func() { // what comes after the request is waited for, until that is answered
				_, err := c.Read(make([]byte, 1))
				done <- err
			}()
			synctest.Wait()
			_ = c.SetReadDeadline(time.Unix(1, 0))
			if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Time{})
			time.Sleep(time.Second)
		}
		if m.n > 2*requests {
			t.Errorf("moved %d times for %d requests, want two for each", m.n, requests)
		}
	})
}

// TestWriteTakenUpAgain holds that a write which the system's deadline ends too soon, in
// the middle, goes on where it was.
func TestWriteTakenUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, there := pipe(t)
		write := func(text string, within time.Duration) {
			t.Helper()
			if err := c.SetWriteDeadline(time.Now().Add(within)); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Write([]byte(text)); n != len(text) || err != nil {
				t.Fatalf("wrote %d, %v", n, err)
			}
		}
		read := func(n int) string {
			got := make([]byte, n)
			_, err := io.ReadFull(there, got)
			if err != nil {
				t.Error(err)
			}
			return string(got)
		}
		got := make(chan string, 3)
		go func() {
			got <- read(5)
			time.Sleep(time.Second)
			got <- read(3)
			time.Sleep(30 * time.Second)
			got <- read(6)
		}()
		write("first", 10*time.Second)
		write("secondone", time.Minute)
		if all := <-got + <-got + <-got; all != "firstsecondone" {
			t.Errorf("read %q", all)
		}
	})
}
