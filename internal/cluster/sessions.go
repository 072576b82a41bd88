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
	entries map[session.ID]sessionEntry
	cached  int // entries with data or a record
	_       [32]byte
}

// sessionEntry says that there is a record. Entries are many: they hold as few
// pointers as can be, since the garbage collector follows each.
type sessionEntry struct {
	rev     uint64
	expires int64           // Unix milliseconds
	data    []byte          // names of the writes, see value, and the record until it is decoded
	names   uint8           // length of those names in data
	record  *session.Record // decoded at the first Get
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
	e, known := sh.entries[id]
	if !known || e.expires <= time.Now().UnixMilli() {
		sh.mu.Unlock()
		return nil, session.ErrNotFound
	}
	fresh, err := e.decode()
	if fresh {
		sh.entries[id] = e
	}
	sh.mu.Unlock()
	if e.record != nil || err != nil {
		return e.record, err
	}
	return s.fetch(ctx, id, e.rev)
}

// decode decodes the entry's record if it is there encoded, and reports whether.
func (e *sessionEntry) decode() (bool, error) {
	if e.record != nil || !e.cached() {
		return false, nil
	}
	r := &session.Record{Revision: e.rev}
	if err := json.Unmarshal(e.data[e.names:], r); err != nil {
		return false, fmt.Errorf("decode session record: %w", err)
	}
	e.record = r
	e.cut()
	return true, nil
}

// cut drops the encoded record.
func (e *sessionEntry) cut() { e.data = append(make([]byte, 0, e.names), e.data[:e.names]...) }

// cached reports whether the record is in memory.
func (e *sessionEntry) cached() bool { return len(e.data) > int(e.names) || e.record != nil }

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
	change := value{key: id.String(), rev: r.Revision, data: data}
	change.writes, change.doubtful = s.writes(id, r.Revision)
	v, rev, err := s.kv.put(ctx, change, ttlOf(r.Expires))
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

// writes returns the names of the writes that led to a revision, and whether a
// write over it is doubtful since there is a later one.
func (s *Sessions) writes(id session.ID, rev uint64) (names string, doubtful bool) {
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	switch e, known := sh.entries[id]; {
	case !known:
		return "", rev > 0
	case e.rev == rev:
		return string(e.data[:e.names]), false
	}
	return "", true
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
	e, known := sh.entries[id]
	if known && (e.rev > v.rev || e.rev == v.rev && e.cached()) {
		return false
	}
	if !expires.After(time.Now()) {
		sh.remove(id)
		return false
	}
	if !e.cached() {
		sh.cached++
	}
	next := sessionEntry{rev: v.rev, expires: expires.UnixMilli(), names: uint8(min(len(v.writes), maxWrites*writeName))} //nolint:gosec // small
	next.data = make([]byte, 0, int(next.names)+len(body))
	next.data = append(append(next.data, v.writes[:next.names]...), body...)
	if sh.entries == nil {
		sh.entries = map[session.ID]sessionEntry{}
	}
	sh.entries[id] = next
	if sh.cached > s.perShard {
		sh.shrink(id)
	}
	return !known || e.rev != v.rev
}

// shrink drops some cached record other than keep's; which one is left to the
// order of the map, which is random.
func (sh *sessionShard) shrink(keep session.ID) {
	for id, e := range sh.entries {
		if id != keep && e.cached() {
			e.record = nil
			e.cut()
			sh.entries[id] = e
			sh.cached--
			return
		}
	}
}

// remove forgets an entry. sh.mu is held.
func (sh *sessionShard) remove(id session.ID) {
	e, known := sh.entries[id]
	if !known {
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
