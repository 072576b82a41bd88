// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package share

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func caller(address, session string) Caller {
	return Caller{Group{Principal: "local", Address: address}, Member{Session: session}}
}

// fill lets a caller take what fits, at most n, and returns how much that is.
func (s *Shares) fill(c Caller, n int) int {
	for i := range n {
		if !s.Fits(c) {
			return i
		}
		s.Take(c)
	}
	return n
}

// TestShares: what the last of several callers gets when those before took all they
// could, in the order of their coming.
func TestShares(t *testing.T) {
	many := func(n int, address string) (all []Caller) {
		for i := range n {
			all = append(all, caller(address, fmt.Sprint("s", i)))
		}
		return all
	}
	for _, tt := range []struct {
		name        string
		total, each int
		greedy      []Caller
		used        int    // by the greedy ones in all
		last        Caller // who comes then
		least       int    // that it can have
	}{
		{"one of a small bound", 1, 0, many(1, "a"), 1, caller("b", "x"), 0},
		{"one of seven", 7, 0, many(1, "a"), 7, caller("b", "x"), 0},
		{"one of eight", 8, 0, many(1, "a"), 7, caller("b", "x"), 1},
		{"one session", 256, 0, many(1, "a"), 196, caller("a", "x"), 28},
		{"one session, another address", 256, 0, many(1, "a"), 196, caller("b", "x"), 60},
		{"eleven sessions", 256, 0, many(11, "a"), 198, caller("a", "x"), 17},
		{"a thousand sessions", 256, 0, many(1000, "a"), 224, caller("b", "x"), 32},
		{"two addresses", 256, 0, append(many(20, "a"), many(20, "b")...), 224, caller("c", "x"), 32},
		{"a bound for each group", 10_000, 1000, many(3, "a"), 875, caller("a", "x"), 125},
		{"a bound for each group, another address", 10_000, 1000, many(3, "a"), 875, caller("b", "x"), 875},
		{"a client without sessions", 256, 0, []Caller{{Group{Address: "a"}, Member{Client: "bot"}}}, 196,
			Caller{Group{Address: "a"}, Member{Client: "desk"}}, 28},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New(tt.total, tt.each)
			for again := true; again; { // in turns, as they come at the same time
				again = false
				for _, c := range tt.greedy {
					again = s.fill(c, 1) > 0 || again
				}
			}
			if s.Used() != tt.used {
				t.Errorf("the greedy hold %d, want %d", s.Used(), tt.used)
			}
			if got := s.fill(tt.last, tt.total); got < tt.least {
				t.Errorf("who came last got %d, want at least %d", got, tt.least)
			}
		})
	}
}

// TestSharesKeepTheirBounds: whatever comes and goes, nothing is held over a bound,
// and nothing is left of who holds nothing.
func TestSharesKeepTheirBounds(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		total := 1 + random.IntN(100)
		each := random.IntN(total + 1)
		s := New(total, each)
		var held []Caller
		for range 5000 {
			if random.IntN(2) == 0 && len(held) > 0 {
				i := random.IntN(len(held))
				s.Give(held[i])
				held[i] = held[len(held)-1]
				held = held[:len(held)-1]
				continue
			}
			c := caller(fmt.Sprint("a", random.IntN(4)), fmt.Sprint("s", random.IntN(8)))
			if s.Fits(c) {
				s.Take(c)
				held = append(held, c)
			}
			if _, inGroup := s.Held(c); s.Used() > total || s.Used() != len(held) || inGroup > s.each {
				t.Fatalf("%d of %d are held, %d by one group of at most %d", s.Used(), total, inGroup, s.each)
			}
		}
		for _, c := range held {
			s.Give(c)
		}
		if s.Used() != 0 || s.active != 0 {
			t.Errorf("%d and %d groups are left", s.Used(), s.active)
		}
		for i := range 10_000 { // who has gone is not kept for ever
			c := caller(fmt.Sprint("a", i/100), fmt.Sprint("s", i))
			s.Take(c)
			s.Give(c)
		}
		kept := len(s.groups)
		for _, g := range s.groups {
			kept += len(g.members)
		}
		if kept > 2*(spare+1)*(spare+1) {
			t.Errorf("%d who hold nothing are kept", kept)
		}
	}
}

func TestLineHasTurns(t *testing.T) {
	var l Line[Caller]
	ada, bob, cyd := caller("a", "ada"), caller("a", "bob"), caller("b", "cyd")
	for range 3 {
		l.Add(ada)
	}
	gone := l.Add(bob)
	l.Add(bob)
	l.Add(cyd)
	if !l.Leave(gone) || l.Leave(gone) {
		t.Error("a waiter left not once")
	}
	var order []string
	for c, ok := l.Next(func(c Caller) bool { return c != cyd }); ok; c, ok = l.Next(func(c Caller) bool { return c != cyd || len(order) == 4 }) {
		order = append(order, c.Session)
	}
	if got, want := fmt.Sprint(order), "[ada bob ada ada cyd]"; got != want {
		t.Errorf("granted in the order %s, want %s", got, want)
	}
	if l.Len() != 0 || len(l.by) != 0 || len(l.turns) != 0 {
		t.Errorf("%d wait in the end", l.Len())
	}
}

func BenchmarkShares(b *testing.B) {
	s := New(256, 0)
	c := caller("127.0.0.1", "QKX3UVGH4ERD4M6PUVUSQXJ7CM")
	s.Take(c)
	b.ReportAllocs()
	for b.Loop() {
		if s.Fits(c) {
			s.Take(c)
			s.Give(c)
		}
	}
}
