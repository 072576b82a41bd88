// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/cluster"
	"github.com/holdfast-mcp/holdfast/internal/seal"
)

// keyStore is a ring in memory that several nodes share.
type keyStore struct {
	mu       sync.Mutex
	keys     []cluster.Key
	watchers []func([]cluster.Key)
	writes   int
}

func secretOf(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

func (s *keyStore) All() []cluster.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]cluster.Key(nil), s.keys...)
}

func (s *keyStore) Watch(f func([]cluster.Key)) func() {
	s.mu.Lock()
	s.watchers = append(s.watchers, f)
	s.mu.Unlock()
	f(nil)
	return func() {}
}

// put makes keys, newest first, the ring.
func (s *keyStore) put(keys ...cluster.Key) {
	s.mu.Lock()
	s.keys = keys
	watchers := s.watchers
	s.mu.Unlock()
	for _, f := range watchers {
		f(nil)
	}
}

func (s *keyStore) Maintain(_ context.Context, secret []byte, sealed uint64, l cluster.KeyLimits) (bool, error) {
	keys := s.All()
	for i := range keys {
		if bytes.Equal(keys[i].Secret, secret) {
			keys[i].Sealed += sealed
		}
	}
	now := time.Now()
	old := l.Old(keys, now)
	if old {
		keys[0].Expires = now.Add(l.Keep)
		keys = append([]cluster.Key{{Secret: secretOf(byte(len(keys) + 1)), Created: now, From: now.Add(5 * time.Second)}}, keys...)
	}
	s.mu.Lock()
	s.writes++
	s.mu.Unlock()
	s.put(keys...)
	return old, nil
}

func (s *keyStore) Refresh(context.Context) error { return nil }

// follow starts a follower of a store, and returns its ring and what ends it.
func follow(t *testing.T, s *keyStore, limits cluster.KeyLimits) (*seal.Ring, func()) {
	t.Helper()
	ring := seal.NewRing()
	f := newKeyFollower(s, ring, limits, slog.New(slog.DiscardHandler))
	return ring, f.close
}

func opens(r *seal.Ring, token string) bool {
	_, err := r.Open(seal.Session, "", token)
	return err == nil
}

// TestKeyExpires holds that a key opens until the moment that was said, and not
// longer, though nothing happens then.
func TestKeyExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		s := &keyStore{}
		s.put(cluster.Key{Secret: secretOf(1), Created: now, From: now})
		ring, end := follow(t, s, cluster.KeyLimits{})
		defer end()
		token := ring.Seal(seal.Session, "", nil)
		s.put(cluster.Key{Secret: secretOf(2), Created: now, From: now.Add(5 * time.Second)},
			cluster.Key{Secret: secretOf(1), Created: now, From: now, Expires: now.Add(time.Minute)})
		time.Sleep(4 * time.Second)
		if before := ring.Seal(seal.Session, "", nil); ring.Sealed(secretOf(1)) != 2 || !opens(ring, before) {
			t.Error("the new key seals before its time")
		}
		time.Sleep(2 * time.Second)
		if ring.Seal(seal.Session, "", nil); ring.Sealed(secretOf(2)) != 1 {
			t.Error("the new key does not seal")
		}
		removed := ring.Removed()
		time.Sleep(time.Minute - 6*time.Second - time.Millisecond)
		if !opens(ring, token) {
			t.Error("it ceased to open too early")
		}
		time.Sleep(2 * time.Millisecond)
		if opens(ring, token) {
			t.Error("it opens longer than was said")
		}
		<-removed
	})
}

// TestKeyReplacedByAge holds that three nodes replace a key once when it is old, that
// what it sealed opens for as long as it is kept, and that nobody writes otherwise.
func TestKeyReplacedByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		now := time.Now()
		s := &keyStore{}
		s.put(cluster.Key{Secret: secretOf(1), Created: now, From: now})
		var rings []*seal.Ring
		for range 3 {
			ring, end := follow(t, s, cluster.KeyLimits{Age: 90 * day, Keep: 30 * day})
			defer end()
			rings = append(rings, ring)
		}
		token := rings[0].Seal(seal.Session, "", nil)
		time.Sleep(90*day - time.Minute)
		if s.writes != 0 || len(s.All()) != 1 {
			t.Errorf("%d writes before the time", s.writes)
		}
		time.Sleep(3 * time.Minute)
		if n := len(s.All()); n != 2 {
			t.Errorf("%d keys, want 2", n)
		}
		for _, ring := range rings {
			if !opens(ring, token) || !opens(rings[0], ring.Seal(seal.Session, "", nil)) || ring.Sealed(secretOf(2)) != 1 {
				t.Error("a ring is not as it should be")
			}
		}
		time.Sleep(30 * day)
		if opens(rings[0], token) {
			t.Error("the old key opens longer than it is kept")
		}
	})
}

// TestKeyReplacedByCount holds that what all nodes have sealed counts together, also
// over restarts, and that a key is replaced before it has sealed too much.
func TestKeyReplacedByCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		s := &keyStore{}
		s.put(cluster.Key{Secret: secretOf(1), Created: now, From: now, Sealed: 900})
		sealSome := func(n int) {
			ring, end := follow(t, s, cluster.KeyLimits{Sealed: 1000})
			for range n {
				ring.Seal(seal.Session, "", nil)
			}
			end()
		}
		f := newKeyFollower(s, seal.NewRing(), cluster.KeyLimits{Sealed: 1000}, slog.New(slog.DiscardHandler))
		defer f.close()
		for range 60 {
			f.ring.Seal(seal.Session, "", nil)
		}
		f.maintain(t.Context(), 61)
		if s.writes != 0 {
			t.Error("too few seals are noted")
		}
		for range 2 { // the second time there is nothing new
			f.maintain(t.Context(), 1)
		}
		if keys := s.All(); len(keys) != 1 || keys[0].Sealed != 960 || s.writes != 1 {
			t.Fatalf("%d writes, %+v", s.writes, keys)
		}
		sealSome(10)
		if keys := s.All(); len(keys) != 1 || keys[0].Sealed != 960 {
			t.Errorf("a few seals at the end are noted: %+v", keys)
		}
		sealSome(noteAtEnd)
		if keys := s.All(); len(keys) != 2 || keys[1].Sealed != 960+noteAtEnd || keys[1].Expires.IsZero() {
			t.Errorf("not replaced: %+v", keys)
		}
	})
}

// TestRefresher holds that many who need newer keys at once cost few questions, each
// asked after they came, and none while this node may be cut off.
func TestRefresher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, apart := 0, false
		var latest atomic.Int64 // when the last question began
		r := &refresher{apart: func() bool { return apart }, turn: make(chan struct{}, 1), ask: func(ctx context.Context) error {
			latest.Store(time.Now().UnixNano())
			asked++
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("a question without an end")
			}
			time.Sleep(10 * time.Millisecond)
			return nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Microsecond)
				came := time.Now()
				if err := r.refresh(ctx); err != nil || latest.Load() < came.UnixNano() {
					t.Errorf("%v; last asked %v before it came", err, came.Sub(time.Unix(0, latest.Load())))
				}
			})
		}
		wg.Wait()
		if asked > 5 {
			t.Errorf("asked %d times in 100 ms", asked)
		}
		apart = true
		if err := r.refresh(ctx); !errors.Is(err, errApart) {
			t.Errorf("cut off: %v", err)
		}
	})
}
