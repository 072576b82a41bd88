// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package sessiontest holds the contract of session stores, for every
// implementation to be tested against.
package sessiontest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// Run tests the stores that open returns, a new one for each test.
func Run(t *testing.T, open func(t *testing.T) session.Store) {
	RunReal(t, open)
	t.Run("Expiry", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { expiry(t, open(t)) })
	})
}

// RunReal is Run without what needs the time of a synctest bubble, for stores
// with I/O of their own.
func RunReal(t *testing.T, open func(t *testing.T) session.Store) {
	t.Run("CompareAndSet", func(t *testing.T) { compareAndSet(t, open(t)) })
	t.Run("Update", func(t *testing.T) { update(t, open(t)) })
	t.Run("Ended", func(t *testing.T) { ended(t, open(t)) })
	t.Run("Anew", func(t *testing.T) { anew(t, open(t)) })
}

func record(level string) session.Record {
	return session.Record{Expires: time.Now().Add(time.Hour).Truncate(time.Second).UTC(), LogLevel: "info", Subscriptions: []string{level}}
}

func compareAndSet(t *testing.T, s session.Store) {
	ctx, id := context.Background(), session.NewID()
	if _, err := s.Get(ctx, id); !errors.Is(err, session.ErrNotFound) {
		t.Fatalf("Get of nothing: %v, want ErrNotFound", err)
	}
	first := record("a")
	rev, err := s.Put(ctx, id, first)
	if err != nil || rev == 0 {
		t.Fatalf("first Put: revision %d, %v", rev, err)
	}
	if _, err := s.Put(ctx, id, first); !errors.Is(err, session.ErrConflict) {
		t.Errorf("Put as new of what exists: %v, want ErrConflict", err)
	}
	got, err := s.Get(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	first.Revision = rev
	if diff := cmp.Diff(&first, got); diff != "" {
		t.Errorf("Get after Put (-want +got):\n%s", diff)
	}
	next := *got
	next.LogLevel = "error"
	rev2, err := s.Put(ctx, id, next)
	if err != nil || rev2 <= rev {
		t.Fatalf("second Put: revision %d after %d, %v", rev2, rev, err)
	}
	if _, err := s.Put(ctx, id, next); !errors.Is(err, session.ErrConflict) {
		t.Errorf("Put over a newer revision: %v, want ErrConflict", err)
	}
	if got.LogLevel != "info" {
		t.Error("a record that had been read has changed")
	}
	unknown := record("b")
	unknown.Revision = 7
	if _, err := s.Put(ctx, session.NewID(), unknown); !errors.Is(err, session.ErrConflict) {
		t.Errorf("Put over what is not there: %v, want ErrConflict", err)
	}
}

// update runs concurrent changes; each one reported as done must be there.
func update(t *testing.T, s session.Store) {
	ctx, id := context.Background(), session.NewID()
	expires := time.Now().Add(time.Hour)
	var wg sync.WaitGroup
	var done atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			err := session.Update(ctx, s, id, expires, func(r *session.Record) error {
				r.Subscribe("test://" + string(rune('a'+i)))
				return nil
			})
			switch {
			case err == nil:
				done.Add(1)
			case !errors.Is(err, session.ErrConflict):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := s.Get(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(got.Subscriptions)) != done.Load() {
		t.Errorf("%d changes were reported as done, the record holds %q", done.Load(), got.Subscriptions)
	}
	refused := errors.New("refused")
	if err := session.Update(ctx, s, id, expires, func(*session.Record) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("Update whose change fails: %v, want its error", err)
	}
}

func ended(t *testing.T, s session.Store) {
	ctx, id := context.Background(), session.NewID()
	r := record("a")
	r.Ended = true
	if _, err := s.Put(ctx, id, r); err != nil {
		t.Fatal(err)
	}
	err := session.Update(ctx, s, id, r.Expires, func(*session.Record) error { return nil })
	if !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Update of an ended session: %v, want ErrNotFound", err)
	}
}

// anew puts as new what has expired: nobody knows its revision.
func anew(t *testing.T, s session.Store) {
	ctx, id := context.Background(), session.NewID()
	for i := range 3 {
		r := record("a")
		r.Expires = time.Now().Add(-time.Second)
		if _, err := s.Put(ctx, id, r); err != nil {
			t.Fatalf("Put %d: %v", i, err)
		}
		if _, err := s.Get(ctx, id); !errors.Is(err, session.ErrNotFound) {
			t.Fatalf("Get of an expired record: %v", err)
		}
	}
	if err := session.Update(ctx, s, id, time.Now().Add(time.Hour), func(r *session.Record) error {
		if r.Revision != 0 || r.LogLevel != "" {
			t.Errorf("it is changed from %+v", r)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if _, err := s.Get(ctx, id); err != nil {
		t.Error(err)
	}
}

func expiry(t *testing.T, s session.Store) {
	ctx, id := context.Background(), session.NewID()
	if _, err := s.Put(ctx, id, record("a")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Hour) // of the bubble
	switch _, err := s.Get(ctx, id); {
	case err == nil, errors.Is(err, session.ErrNotFound): // a store may keep it
	default:
		t.Errorf("Get of an expired record: %v", err)
	}
}

// RunFeed tests stores that two nodes have of the same records.
func RunFeed(t *testing.T, open func(t *testing.T) (a, b session.Feed)) {
	a, b := open(t)
	t.Run("Own", func(t *testing.T) { feed(t, a, a) })
	t.Run("Other", func(t *testing.T) { feed(t, a, b) })
}

// feed changes a record in one store until the other has told of it all.
func feed(t *testing.T, writer, reader session.Feed) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	id := session.NewID()
	told := make(chan struct{}, 1)
	stop := reader.Watch(func(changed session.ID) {
		if changed == id {
			select {
			case told <- struct{}{}:
			default:
			}
		}
	})
	for _, level := range []string{"a", "b"} {
		changed, err := session.Change(ctx, writer, id, time.Now().Add(time.Hour), func(r *session.Record) error {
			r.Subscribe(level)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for {
			select {
			case <-told:
			case <-ctx.Done():
				t.Fatal("the change is not told")
			}
			got, err := reader.Get(ctx, id)
			if err != nil {
				t.Fatalf("Get of what was told to have changed: %v", err)
			}
			if got.Revision == changed.Revision {
				break
			}
		}
	}
	stop()
	select {
	case <-told: // of before
	default:
	}
	if err := session.Update(ctx, writer, id, time.Now().Add(time.Hour), func(r *session.Record) error { return nil }); err != nil {
		t.Fatal(err)
	}
	select {
	case <-told:
		t.Error("a change is told after stop")
	default:
	}
}
