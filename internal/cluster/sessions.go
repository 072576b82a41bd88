// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// Sessions is the replicated [session.Store], and a [session.Feed]. It knows of every session whether
// it has a record, so that Get of one without never asks anybody; records
// themselves are cached within bounds. What another node has written is seen
// within the lag of the feed; what this node has written, at once. A Put fails
// with [ErrNoQuorum] when no majority acknowledges it in time. It is safe for
// concurrent use.
type Sessions struct {
	kv       *kv
	perShard int // records cached
	shards   [sessionShards]sessionShard

	watching sync.RWMutex // held for reading while watchers are told
	watchers map[int]func(session.ID)
	next     int
}

const sessionShards = 64

type sessionShard struct {
	mu      sync.Mutex
	entries map[session.ID]*sessionEntry
	cached  int // entries with data or a record
	_       [32]byte
}

// sessionEntry says that there is a record. Its data is decoded at the first Get.
type sessionEntry struct {
	rev     uint64
	expires int64  // Unix milliseconds
	writes  string // see value
	data    []byte
	record  *session.Record
}

var _ session.Feed = (*Sessions)(nil)

func newSessions(t *kv, cached int) *Sessions {
	return &Sessions{kv: t, perShard: (cached + sessionShards - 1) / sessionShards}
}

func (s *Sessions) shard(id session.ID) *sessionShard { return &s.shards[id[0]%sessionShards] }

// Get implements [session.Store].
func (s *Sessions) Get(ctx context.Context, id session.ID) (*session.Record, error) {
	sh := s.shard(id)
	sh.mu.Lock()
	e := sh.entries[id]
	if e == nil || e.expires <= time.Now().UnixMilli() {
		sh.mu.Unlock()
		return nil, session.ErrNotFound
	}
	r, err := e.decode()
	rev := e.rev
	sh.mu.Unlock()
	if r != nil || err != nil {
		return r, err
	}
	return s.fetch(ctx, id, rev)
}

// decode returns the entry's record, or nil when it is not cached. The shard's
// lock is held.
func (e *sessionEntry) decode() (*session.Record, error) {
	if e.record == nil && e.data != nil {
		r := &session.Record{Revision: e.rev}
		if err := json.Unmarshal(e.data, r); err != nil {
			return nil, fmt.Errorf("decode session record: %w", err)
		}
		e.record, e.data = r, nil
	}
	return e.record, nil
}

// fetch reads a record that is not cached and is known to be at rev at least: from
// any replica, or from the leader when that one is behind. Without a leader a
// replica that is behind has to do.
func (s *Sessions) fetch(ctx context.Context, id session.ID, rev uint64) (*session.Record, error) {
	v, err := s.kv.near(ctx, id.String())
	if err != nil || v.rev < rev {
		limited, cancel := context.WithTimeout(ctx, s.kv.health.writeLimit(readLimit))
		defer cancel()
		last, lastErr := s.kv.sure(limited, id.String())
		switch {
		case lastErr == nil:
			v = last
		case errors.Is(lastErr, errAbsent):
			return nil, session.ErrNotFound
		case err != nil:
			return nil, fmt.Errorf("read session record: %w: %w", ErrNoQuorum, lastErr)
		}
	}
	s.apply(v)
	_, body, ok := splitHead(v.data)
	if !ok {
		return nil, errors.New("read session record: unknown format")
	}
	r := &session.Record{Revision: v.rev}
	if err := json.Unmarshal(body, r); err != nil {
		return nil, fmt.Errorf("decode session record: %w", err)
	}
	return r, nil
}

// Put implements [session.Store].
func (s *Sessions) Put(ctx context.Context, id session.ID, r session.Record) (uint64, error) {
	data := appendHead(make([]byte, 0, 256), r.Expires)
	body, err := json.Marshal(&r)
	if err != nil {
		return 0, fmt.Errorf("encode session record: %w", err)
	}
	data = append(data, body...)
	v, rev, err := s.kv.put(ctx, value{key: id.String(), rev: r.Revision, data: data, writes: s.writes(id, r.Revision)}, ttlOf(r.Expires))
	switch {
	case err == nil:
		s.apply(v)
		return rev, nil
	case errors.Is(err, errConflict):
		s.beaten(id, v) // the next attempt need not wait for the feed
		return 0, session.ErrConflict
	}
	return 0, fmt.Errorf("write session record: %w", err)
}

// writes returns the names of the writes that led to a revision.
func (s *Sessions) writes(id session.ID, rev uint64) string {
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := sh.entries[id]; e != nil && e.rev == rev {
		return e.writes
	}
	return ""
}

// beaten takes what the leader had instead of a write; no revision if nothing.
func (s *Sessions) beaten(id session.ID, v value) {
	if v.rev > 0 {
		s.apply(v)
		return
	}
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.remove(id)
}

// Watch implements [session.Feed].
func (s *Sessions) Watch(changed func(id session.ID)) (stop func()) {
	s.watching.Lock()
	defer s.watching.Unlock()
	if s.watchers == nil {
		s.watchers = map[int]func(session.ID){}
	}
	key := s.next
	s.next++
	s.watchers[key] = changed
	return func() {
		s.watching.Lock()
		defer s.watching.Unlock()
		delete(s.watchers, key)
	}
}

// apply takes a change, whoever tells it, unless a later one is known.
func (s *Sessions) apply(v value) {
	id, ok := parseSessionID(v.key)
	if !ok || !s.keep(id, v) {
		return
	}
	s.watching.RLock()
	defer s.watching.RUnlock()
	for _, changed := range s.watchers {
		changed(id)
	}
}

// keep takes a change into the cache and reports whether it was news.
func (s *Sessions) keep(id session.ID, v value) bool {
	expires, body, ok := splitHead(v.data)
	if !ok {
		return false
	}
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[id]
	if e != nil && (e.rev > v.rev || e.rev == v.rev && e.cached()) {
		return false
	}
	if !expires.After(time.Now()) {
		sh.remove(id)
		return false
	}
	news := e == nil || e.rev != v.rev
	if e == nil {
		if sh.entries == nil {
			sh.entries = map[session.ID]*sessionEntry{}
		}
		e = &sessionEntry{}
		sh.entries[id] = e
	}
	if !e.cached() {
		sh.cached++
	}
	e.rev, e.writes = v.rev, v.writes
	e.expires, e.record = expires.UnixMilli(), nil
	e.data = append(make([]byte, 0, len(body)), body...)
	if sh.cached > s.perShard {
		sh.shrink(e)
	}
	return news
}

func (e *sessionEntry) cached() bool { return e.data != nil || e.record != nil }

// shrink drops some cached record other than keep; which one is left to the
// order of the map, which is random.
func (sh *sessionShard) shrink(keep *sessionEntry) {
	for _, e := range sh.entries {
		if e != keep && e.cached() {
			e.data, e.record = nil, nil
			sh.cached--
			return
		}
	}
}

// remove forgets an entry. sh.mu is held.
func (sh *sessionShard) remove(id session.ID) {
	e := sh.entries[id]
	if e == nil {
		return
	}
	if e.cached() {
		sh.cached--
	}
	delete(sh.entries, id)
}

// sweep forgets what has expired.
func (s *Sessions) sweep(now time.Time) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for id, e := range sh.entries {
			if e.expires <= now.UnixMilli() {
				sh.remove(id)
			}
		}
		sh.mu.Unlock()
	}
}

// Len returns the number of sessions with a record, as far as this node knows.
func (s *Sessions) Len() int {
	n := 0
	for i := range s.shards {
		s.shards[i].mu.Lock()
		n += len(s.shards[i].entries)
		s.shards[i].mu.Unlock()
	}
	return n
}

func parseSessionID(key string) (id session.ID, ok bool) {
	if len(key) != 2*len(id) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(key))
	return id, err == nil
}
