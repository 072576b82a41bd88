// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

type parked struct{ n *int }

func (p parked) Park() { *p.n++ }

func acquire(t *testing.T, r *session.Registry, id session.ID) *session.Live {
	t.Helper()
	l, err := r.Acquire(id)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestRegistryParks drives the registry over its idle limit: what is in use stays.
func TestRegistryParks(t *testing.T) {
	r := session.NewRegistry(session.Config{Idle: 64, Live: 1000}) // one idle session per shard
	defer func() { _ = r.Drain(context.Background()) }()
	n := 0
	state := func() session.State { return parked{&n} }
	id := func(i byte) session.ID { return session.ID{1: i} } // all in one shard
	busy := acquire(t, r, id(1))
	busy.State(state)
	for i := byte(2); i < 10; i++ {
		l := acquire(t, r, id(i))
		l.State(state)
		r.Release(l)
	}
	if n != 7 || r.Len() != 2 {
		t.Errorf("%d sessions parked and %d live, want 7 and 2", n, r.Len())
	}
	if r.Find(id(2)) != nil {
		t.Error("a parked session is found")
	}
	if l := r.Find(id(1)); l != busy {
		t.Error("the busy session is not found")
	} else {
		r.Release(l)
	}
	r.Release(busy)
	if n != 8 {
		t.Errorf("%d sessions parked, want 8", n)
	}
}

func TestRegistryFull(t *testing.T) {
	r := session.NewRegistry(session.Config{Idle: 1, Live: 1})
	a, b := acquire(t, r, session.ID{1}), acquire(t, r, session.ID{2})
	if _, err := r.Acquire(session.ID{3}); !errors.Is(err, session.ErrFull) {
		t.Errorf("Acquire over the limit: %v, want ErrFull", err)
	}
	r.Release(a)
	r.Release(b)
	if err := r.Drain(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestRegistrySweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := session.NewRegistry(session.Config{LogAge: time.Minute})
		l := acquire(t, r, session.ID{1})
		l.Log.Open('c').Append([]byte("x"))
		time.Sleep(time.Hour)
		if r.Len() != 1 {
			t.Fatal("a session in use was parked")
		}
		r.Release(l)
		time.Sleep(30 * time.Second)
		r.Release(acquire(t, r, session.ID{2}))
		time.Sleep(45 * time.Second)
		if r.Len() != 1 {
			t.Errorf("%d sessions, want the younger one", r.Len())
		}
		time.Sleep(2 * time.Minute)
		if r.Len() != 0 {
			t.Errorf("%d sessions, want none", r.Len())
		}
	})
}

func TestRegistryDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := session.NewRegistry(session.Config{})
		l := acquire(t, r, session.ID{1})
		late, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := r.Drain(late); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain with a session in use: %v, want the deadline", err)
		}
		if _, err := r.Acquire(session.ID{1}); !errors.Is(err, session.ErrDraining) {
			t.Errorf("Acquire while draining: %v, want ErrDraining", err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := r.Drain(context.Background()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		r.Release(l)
		wg.Wait()
		if r.Len() != 0 {
			t.Errorf("%d sessions after the drain", r.Len())
		}
	})
}

// TestRegistryRaces has no expectation but the race detector's and the count.
func TestRegistryRaces(t *testing.T) {
	r := session.NewRegistry(session.Config{Idle: 64})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 500 {
				id := session.ID{byte(j), byte(i * j)}
				l, err := r.Acquire(id)
				if err != nil {
					t.Error(err)
					return
				}
				l.State(func() session.State { n := 0; return parked{&n} })
				s := l.Log.Open('c')
				s.Append([]byte("x"))
				s.Finish()
				r.Release(l)
				if l := r.Find(id); l != nil {
					r.Release(l)
				}
			}
		})
	}
	wg.Wait()
	if err := r.Drain(context.Background()); err != nil || r.Len() != 0 {
		t.Errorf("after the drain %d sessions, %v", r.Len(), err)
	}
}

func newLog(t *testing.T, cfg session.Config) *session.Log {
	r := session.NewRegistry(cfg)
	l := acquire(t, r, session.ID{1})
	t.Cleanup(func() {
		r.Release(l)
		_ = r.Drain(context.Background())
	})
	return &l.Log
}

func data(events []session.Event) string {
	s := ""
	for _, e := range events {
		s += string(e.Data)
	}
	return s
}

func TestLogKeepsStreamsApart(t *testing.T) {
	l := newLog(t, session.Config{})
	a, b := l.Open('c'), l.Open('c')
	var ids []string
	for i := range 4 {
		ids = append(ids, a.Append(fmt.Appendf(nil, "a%d", i)))
		b.Append(fmt.Appendf(nil, "b%d", i))
	}
	stream, seq, ok := session.SplitEventID(ids[1])
	found, err := l.Find(stream, seq)
	if !ok || err != nil || found != a {
		t.Fatalf("Find(%q): %v, %v", ids[1], found, err)
	}
	events, lost, done := found.After(seq)
	if data(events) != "a2a3" || lost != 0 || done {
		t.Errorf("After(%d) = %s, lost %d, done %t", seq, data(events), lost, done)
	}
	a.Finish()
	if _, _, done := a.After(0); !done {
		t.Error("a finished stream is not done")
	}
	if _, err := l.Find(stream, 5); !errors.Is(err, session.ErrUnknownStream) {
		t.Errorf("Find of an event that never was: %v", err)
	}
	for _, id := range []string{"", "x", "-1", "x-", "x--1", "x-1.5"} {
		if _, _, ok := session.SplitEventID(id); ok {
			t.Errorf("event id %q is accepted", id)
		}
	}
}

func TestLogBounds(t *testing.T) {
	for name, cfg := range map[string]session.Config{
		"events": {LogEvents: 3}, "bytes": {LogBytes: 3 * 65}, "total": {Logs: session.NewLogBudget(3*65 + 10)},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t, cfg)
			s := l.Open('c')
			for i := range 10 {
				s.Append([]byte{'0' + byte(i)})
			}
			events, lost, _ := s.After(2)
			if data(events) != "789" || lost != 5 {
				t.Errorf("kept %q, lost %d; want 789 and 5", data(events), lost)
			}
			if events, lost, _ := s.After(7); data(events) != "789" || lost != 0 {
				t.Errorf("behind 7: %q, lost %d", data(events), lost)
			}
			s.Finish()
			other := l.Open('c')
			for range 3 {
				other.Append([]byte("x"))
			}
			if _, err := l.Find(s.ID(), 10); !errors.Is(err, session.ErrUnknownStream) {
				t.Errorf("a finished stream without events: %v", err)
			}
		})
	}
}

// TestLogSkipsGiants: an event that cannot be kept costs its own stream's tail only.
func TestLogSkipsGiants(t *testing.T) {
	l := newLog(t, session.Config{LogBytes: 1000, Logs: session.NewLogBudget(300)})
	a, b := l.Open('c'), l.Open('c')
	a.Append([]byte("a"))
	b.Append([]byte("b"))
	a.Append(make([]byte, 500))
	if events, lost, _ := a.After(0); len(events) != 0 || lost != 2 {
		t.Errorf("%d events, lost %d; want none and 2", len(events), lost)
	}
	if events, lost, _ := b.After(0); data(events) != "b" || lost != 0 {
		t.Errorf("the other stream has %q, lost %d", data(events), lost)
	}
	a.Append([]byte("c"))
	if events, lost, _ := a.After(1); data(events) != "c" || lost != 1 {
		t.Errorf("afterwards %q, lost %d; want c and 1", data(events), lost)
	}
}

// TestLogBudgetIsShared holds that all registries of a node together keep no more
// than its budget, and give back what they had.
func TestLogBudgetIsShared(t *testing.T) {
	all := session.NewLogBudget(1000)
	var registries []*session.Registry
	for n := range 4 {
		r := session.NewRegistry(session.Config{Logs: all})
		registries = append(registries, r)
		l := acquire(t, r, session.ID{byte(n)})
		s := l.Log.Open('c')
		for range 20 {
			s.Append(make([]byte, 50))
		}
		r.Release(l)
		if used := all.Used(); used > 1000 || used < 800 {
			t.Errorf("%d registries keep %d bytes of 1000", n+1, used)
		}
	}
	for _, r := range registries {
		if err := r.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if used := all.Used(); used != 0 {
		t.Errorf("%d bytes are kept in the end", used)
	}
}

func TestLogAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t, session.Config{LogAge: time.Minute})
		s := l.Open('c')
		s.Append([]byte("a"))
		time.Sleep(45 * time.Second)
		s.Append([]byte("b"))
		time.Sleep(45 * time.Second)
		if _, err := l.Find(s.ID(), 1); err != nil {
			t.Fatal(err)
		}
		if events, lost, _ := s.After(0); data(events) != "b" || lost != 1 {
			t.Errorf("kept %q, lost %d; want b and 1", data(events), lost)
		}
	})
}
