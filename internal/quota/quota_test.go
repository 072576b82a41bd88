// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
)

func TestQuota(t *testing.T) {
	a, b, c := Remote("192.0.2.1:1"), Remote("192.0.2.2:1"), Principal("t", "c")
	q := New(10, 7)
	for _, tc := range []struct {
		what string
		who  Client
		n    int64 // negative gives back
		want error
		used int64
	}{
		{"within the share", a, 7, nil, 7},
		{"over the share", a, 1, ErrShare, 7},
		{"another client has the rest", b, 3, nil, 10},
		{"nothing is left", c, 1, ErrFull, 10},
		{"some is given back", a, -2, nil, 8},
		{"all or nothing", c, 3, ErrFull, 8},
		{"what was given back", c, 2, nil, 10},
		{"the last of a client", b, -3, nil, 7},
	} {
		var err error
		if tc.n < 0 {
			q.Give(tc.who, -tc.n)
		} else {
			err = q.Take(tc.who, tc.n)
		}
		if !errors.Is(err, tc.want) || q.Used() != tc.used {
			t.Fatalf("%s: %v, %d used; want %v, %d", tc.what, err, q.Used(), tc.want, tc.used)
		}
	}
	if len(q.by) != 2 {
		t.Errorf("%d clients are known, want the 2 that use some", len(q.by))
	}
}

// TestQuotaConcurrent holds the bounds with many takers at once.
func TestQuotaConcurrent(t *testing.T) {
	q := New(8, 4)
	var wg sync.WaitGroup
	for i := range 32 {
		who := Addr(netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 4)}))
		wg.Go(func() {
			for range 200 {
				if q.Take(who, 1) != nil {
					continue
				}
				if used := q.Used(); used > 8 {
					t.Errorf("%d used of 8", used)
				}
				q.Give(who, 1)
			}
		})
	}
	wg.Wait()
	if q.Used() != 0 || len(q.by) != 0 {
		t.Errorf("%d used by %d clients in the end", q.Used(), len(q.by))
	}
}

func TestNilQuota(t *testing.T) {
	var q *Quota
	if err := q.Take(Client{}, 1<<40); err != nil {
		t.Error(err)
	}
	q.Give(Client{}, 1<<40)
}

func TestClients(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1:1", "192.0.2.1:2", true},
		{"192.0.2.1:1", "192.0.2.2:1", false},
		{"[::ffff:192.0.2.1]:1", "192.0.2.1:1", true},
		{"[2001:db8::1]:1", "[2001:db8::ffff:1]:1", true},
		{"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", false},
		{"[fe80::1%eth0]:1", "[fe80::2%eth1]:1", true},
		{"@", "", true},
	} {
		if got := Remote(tc.a) == Remote(tc.b); got != tc.same {
			t.Errorf("%s and %s are one client: %v, want %v", tc.a, tc.b, got, tc.same)
		}
	}
	if Principal("a", "b") == Principal("", "b") || Principal("", "192.0.2.1") == Remote("192.0.2.1:1") {
		t.Error("different clients count as one")
	}
}

func TestShare(t *testing.T) {
	for _, tc := range []struct {
		all     int64
		percent int
		want    int64
	}{{100, 75, 75}, {1, 75, 1}, {10, 100, 10}, {64 << 20, 75, 48 << 20}, {3, 1, 1}} {
		if got := Share(tc.all, tc.percent); got != tc.want {
			t.Errorf("%d %% of %d = %d, want %d", tc.percent, tc.all, got, tc.want)
		}
	}
}

func BenchmarkTake(b *testing.B) {
	q := New(1<<16, 1<<15)
	b.ReportAllocs()
	for b.Loop() {
		c := Remote("192.0.2.1:50000")
		if err := q.Take(c, 1); err != nil {
			b.Fatal(err)
		}
		q.Give(c, 1)
	}
}
