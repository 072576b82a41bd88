// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a connection from an address that knows whether it is open.
type fake struct {
	net.Conn
	from   string
	closed bool
}

func (f *fake) RemoteAddr() net.Addr {
	addr, err := net.ResolveTCPAddr("tcp", f.from+":1000")
	if err != nil {
		panic(err)
	}
	return addr
}

func (f *fake) Close() error {
	f.closed = true
	return nil
}

// crowd is a Conns with fake connections, by name.
type crowd struct {
	t     *testing.T
	conns *Conns
	log   bytes.Buffer
	fakes map[string]*fake
	open  map[string]*Conn
}

func newCrowd(t *testing.T, max, share int) *crowd {
	c := &crowd{t: t, fakes: map[string]*fake{}, open: map[string]*Conn{}}
	c.conns = NewConns(max, share, slog.New(slog.NewTextHandler(&c.log, nil)))
	return c
}

// come admits a connection, named by its address and a letter, and reports whether it was let in.
func (c *crowd) come(name string) bool {
	c.t.Helper()
	from, _, _ := strings.Cut(name, " ")
	f := &fake{from: from}
	conn, ok := c.conns.Admit(f)
	if ok == f.closed {
		c.t.Fatalf("%s: admitted %v, closed %v", name, ok, f.closed)
	}
	c.fakes[name], c.open[name] = f, conn
	return ok
}

// is tells the server's state of a connection.
func (c *crowd) is(state http.ConnState, names ...string) {
	for _, name := range names {
		c.conns.state(c.open[name], state)
		time.Sleep(time.Millisecond) // so that they differ in age
	}
}

// gone returns the names of the given connections that have been closed.
func (c *crowd) gone(names ...string) string {
	var gone []string
	for _, name := range names {
		if c.fakes[name].closed {
			gone = append(gone, name)
		}
	}
	return strings.Join(gone, ",")
}

const a, b, d = "192.0.2.1", "192.0.2.2", "192.0.2.4"

func TestConnsMakeRoom(t *testing.T) {
	for range 20 { // connections are looked through in any order
		synctest.Test(t, testMakeRoom)
	}
}

func testMakeRoom(t *testing.T) {
	c := newCrowd(t, 4, 100)
	all := []string{a + " 1", a + " 2", a + " 3", b + " 1"}
	for _, name := range all {
		if !c.come(name) {
			t.Fatalf("%s refused below the bound", name)
		}
	}
	c.is(http.StateActive, all...)
	if c.come(d + " 1") {
		t.Fatal("one more than the bound is let in while all are busy")
	}
	if !strings.Contains(c.log.String(), "limit=4") {
		t.Errorf("log says %q, want the limit", c.log.String())
	}
	// The address that has most gives way first, its longest idle connection.
	c.is(http.StateIdle, b+" 1", a+" 2", a+" 1")
	time.Sleep(barren)
	if !c.come(d+" 2") || c.gone(all...) != a+" 2" {
		t.Errorf("closed %q, want the longest idle of the most crowded address", c.gone(all...))
	}
	c.is(http.StateActive, d+" 2", a+" 1") // a 1 is busy again
	if !c.come(d+" 3") || c.gone(all...) != a+" 2,"+b+" 1" {
		t.Errorf("closed %q, want the only one that is idle", c.gone(all...))
	}
}

// TestConnsSilent holds that who sends no request at all gives way, though not
// before he could have sent one.
func TestConnsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 2, 100)
		c.come(a + " 1")
		time.Sleep(minSilence / 2)
		c.come(a + " 2")
		if c.come(b + " 1") {
			t.Error("a connection that has just come is closed")
		}
		time.Sleep(minSilence / 2)
		if !c.come(b+" 2") || c.gone(a+" 1", a+" 2") != a+" 1" {
			t.Errorf("closed %q, want the one that was silent", c.gone(a+" 1", a+" 2"))
		}
	})
}

func TestConnsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 8, 75)
		var held []string
		for _, n := range []string{"1", "2", "3", "4", "5", "6"} {
			held = append(held, a+" "+n)
			if !c.come(a + " " + n) {
				t.Fatalf("connection %s of an address is refused below its share", n)
			}
		}
		c.is(http.StateActive, held...)
		if c.come(a + " 7") {
			t.Error("an address has more than its share")
		}
		if !c.come(b+" 1") || !c.come(d+" 1") {
			t.Error("others find no room beside an address that has its share")
		}
		// At its share, its own connections give way and nobody else's.
		c.is(http.StateIdle, b+" 1", d+" 1", a+" 3")
		time.Sleep(barren)
		if !c.come(a+" 8") || c.gone(append(held, b+" 1", d+" 1")...) != a+" 3" {
			t.Errorf("closed %q, want the idle one of the same address", c.gone(append(held, b+" 1", d+" 1")...))
		}
	})
}

// TestConnsOwnShare holds that an address that has its share closes none of
// another that has as many.
func TestConnsOwnShare(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			c := newCrowd(t, 4, 50)
			all := []string{b + " 1", b + " 2", a + " 1", a + " 2"}
			for _, name := range all {
				c.come(name)
				c.is(http.StateIdle, name)
			}
			if !c.come(a+" 3") || c.gone(all...) != a+" 1" {
				t.Errorf("closed %q, want the longest idle of the same address", c.gone(all...))
			}
		})
	}
}

// TestConnsHijacked holds that a connection which is not the server's any more
// counts until it is closed, and does not give way.
func TestConnsHijacked(t *testing.T) {
	c := newCrowd(t, 1, 100)
	c.come(a + " 1")
	c.is(http.StateActive, a+" 1")
	c.is(http.StateHijacked, a+" 1")
	if c.come(b+" 1") || c.fakes[a+" 1"].closed {
		t.Error("a hijacked connection does not count, or gives way")
	}
	c.open[a+" 1"].Close()
	if !c.come(b + " 2") {
		t.Error("a hijacked connection counts though it is closed")
	}
}

func TestConnsForget(t *testing.T) {
	c := newCrowd(t, 2, 100)
	for range 100 {
		if !c.come(a + " 1") {
			t.Fatal("refused though all before have been closed")
		}
		c.open[a+" 1"].Close()
		c.open[a+" 1"].Close() // as net/http does at times
	}
	if len(c.conns.open) != 0 || len(c.conns.clients) != 0 {
		t.Errorf("%d connections of %d addresses are still known", len(c.conns.open), len(c.conns.clients))
	}
}

func TestRefusalIsHTTP(t *testing.T) {
	_, body, found := strings.Cut(refusal, "\r\n\r\n")
	if !found || !strings.Contains(refusal, "Content-Length: 43\r\n") || len(body) != 43 {
		t.Errorf("the refusal's body has %d bytes", len(body))
	}
}

// TestReadTakesASeat holds that what has been read has a seat until more is asked for, or
// the connection ends.
func TestReadTakesASeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := NewConns(10, 100, slog.New(slog.DiscardHandler))
		near, far := net.Pipe()
		c, ok := conns.Admit(far)
		if !ok {
			t.Fatal("refused")
		}
		taken := func(when string, want int) {
			t.Helper()
			synctest.Wait()
			if n := conns.seats.Taken(); n != want {
				t.Errorf("%d seats are taken %s, want %d", n, when, want)
			}
		}
		read := func() {
			if _, err := c.Read(make([]byte, 10)); err != nil {
				t.Error(err)
			}
		}
		go read()
		taken("before there is something", 0)
		send(t, near, "one")
		taken("for what has been read", 1)
		go read()
		taken("while more is awaited", 0)
		send(t, near, "two")
		taken("for that", 1)
		c.Close()
		taken("in the end", 0)
		near.Close()
	})
}

func TestFit(t *testing.T) {
	for _, tc := range []struct {
		name                              string
		wanted, others, descriptors, want int
	}{
		{"default", 0, 400, 20_000, 19_600},
		{"configured", 5000, 400, 20_000, 5000},
		{"configured too high", 50_000, 400, 20_000, 19_600},
		{"too few descriptors for both", 0, 400, 256, 128},
		{"descriptors abound", 0, 400, 1 << 30, mostConns},
		{"configured, descriptors abound", 1 << 20, 400, 1 << 30, 1 << 20},
		{"next to none", 0, 400, 1, 1},
	} {
		if got := fit(tc.wanted, tc.others, tc.descriptors); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

func BenchmarkAdmitAtTheBound(b *testing.B) {
	conns := NewConns(16_384, 100, slog.New(slog.DiscardHandler))
	for b.Loop() {
		c, ok := conns.Admit(&fake{from: a})
		if !ok {
			b.Fatal("refused")
		}
		conns.state(c, http.StateIdle)
	}
}
