// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
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
	journal *journal
	limits  recordLimits
	archive session.Archive
	shards  [sessionShards]sessionShard

	count atomic.Int64 // entries, those that have expired included
	bytes atomic.Int64 // of their records

	watching sync.RWMutex // held for reading while watchers are told
	watchers map[int]func(session.ID)
	next     int
}

// recordLimits bound what is kept of session records.
type recordLimits struct {
	records     int   // kept by all nodes
	bytes       int64 // of them
	cached      int   // in memory, per node
	cachedBytes int64
}

const sessionShards = 64

type sessionShard struct {
	mu          sync.Mutex
	entries     map[session.ID]sessionEntry
	cached      int   // entries whose record is in memory
	cachedBytes int64 // of these, see weight
	_           [24]byte
}

// sessionEntry says that there is a record. Entries are many: they hold as few
// pointers as can be, since the garbage collector follows each.
type sessionEntry struct {
	rev     uint64
	expires int64           // Unix milliseconds
	size    uint32          // of the encoded record
	ended   bool            // it is a tombstone
	data    []byte          // the encoded record until it is decoded
	record  *session.Record // decoded at the first Get
}

var _ session.Feed = (*Sessions)(nil)

// newSessions makes the store that a journal changes.
func newSessions(j *journal, l recordLimits) *Sessions {
	s := &Sessions{journal: j, limits: l}
	j.table = s
	return s
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
	if err := json.Unmarshal(e.data, r); err != nil {
		return false, fmt.Errorf("decode session record: %w", err)
	}
	e.record, e.data = r, nil
	return true, nil
}

// cached reports whether the record is in memory.
func (e *sessionEntry) cached() bool { return e.data != nil || e.record != nil }

// large records, which have thousands of bytes of subscriptions, count this many times in
// the cache: few sessions have them, and they leave most of it to the others.
const (
	largeRecord = 16 << 10
	largeWeight = 4
)

// weight is what the record counts in the cache, in bytes: its encoded size, unless it is large.
func (e *sessionEntry) weight() int64 {
	if e.size > largeRecord {
		return largeWeight * int64(e.size)
	}
	return int64(e.size)
}

// fetch reads a record that is not cached from its frame, and keeps it.
func (s *Sessions) fetch(ctx context.Context, id session.ID, rev uint64) (*session.Record, error) {
	for {
		c, err := s.journal.find(ctx, id, rev)
		if err == nil {
			s.remember(id, rev, c.body)
			r := &session.Record{Revision: rev}
			if err := json.Unmarshal(c.body, r); err != nil {
				return nil, fmt.Errorf("decode session record: %w", err)
			}
			return r, nil
		}
		switch now := s.revision(id); {
		case now != rev && now != 0: // it was put again meanwhile
			rev = now
		case errors.Is(err, errAbsent):
			return nil, session.ErrNotFound
		default:
			return nil, fmt.Errorf("read session record: %w: %w", s.journal.health.missing(), err)
		}
	}
}

// revision returns the revision that a record is at, 0 when there is none.
func (s *Sessions) revision(id session.ID) uint64 {
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.entries[id].rev
}

// Put implements [session.Store]. A change that was overtaken while this process was
// stopped fails with [ErrNoQuorum] instead of a conflict: done again, it would undo
// what its client has done elsewhere since.
func (s *Sessions) Put(ctx context.Context, id session.ID, r session.Record) (uint64, error) {
	began := time.Now()
	if s.journal.stale(began) {
		return 0, fmt.Errorf("write session record: %w", errStale)
	}
	over, err := s.base(id, &r)
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(&r)
	if err != nil {
		return 0, fmt.Errorf("encode session record: %w", err)
	}
	rev, err := s.journal.put(ctx, change{id: id, over: over, expires: r.Expires.UnixMilli(), body: body})
	switch {
	case err == nil:
		return rev, nil
	case errors.Is(err, errConflict) && s.journal.stale(began):
		err = errStale
	case errors.Is(err, errConflict):
		return 0, session.ErrConflict
	}
	return 0, fmt.Errorf("write session record: %w", err)
}

// fullTimes is how many times the bytes that may be kept there may be, with what has
// expired, before new sessions are refused: the cleaner lags behind a flood.
const fullTimes = 4

// base returns the revision that a record is to be put over. Of one that has expired
// the writer knows none, and it is over.
func (s *Sessions) base(id session.ID, r *session.Record) (uint64, error) {
	sh := s.shard(id)
	sh.mu.Lock()
	e := sh.entries[id]
	sh.mu.Unlock()
	gone := e.expires <= time.Now().UnixMilli()
	switch {
	case r.Revision == 0 && e.rev > 0 && gone:
		return e.rev, nil
	case e.rev > r.Revision:
		return 0, session.ErrConflict // revisions only grow, so this one is over
	case r.Revision == 0 && !r.Ended && s.bytes.Load() > fullTimes*s.limits.bytes:
		return 0, fmt.Errorf("too many sessions have records: %w", ErrStorage)
	}
	return r.Revision, nil
}

// Archive implements [session.Feed].
func (s *Sessions) Archive() session.Archive { return s.archive }

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

// tell tells the watchers of changes.
func (s *Sessions) tell(ids []session.ID) {
	if len(ids) == 0 {
		return
	}
	s.watching.RLock()
	defer s.watching.RUnlock()
	for _, changed := range s.watchers {
		for _, id := range ids {
			changed(id)
		}
	}
}

// admit does a change, the next in the order of the journal, if it is over what
// the record is at, and reports whether. Time plays no part in it, since clocks
// differ and nodes must not.
func (s *Sessions) admit(rev uint64, c *change, r *replay) bool {
	sh := s.shard(c.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[c.id]
	if !r.admits(c, e.rev) {
		return false
	}
	if e.rev == 0 {
		s.count.Add(1)
	}
	s.bytes.Add(int64(len(c.body)) - int64(e.size))
	sh.uncache(c.id, e)
	if sh.entries == nil {
		sh.entries = map[session.ID]sessionEntry{}
	}
	e = sessionEntry{rev: rev, expires: c.expires, size: uint32(len(c.body)), ended: isTombstone(c.body), data: slices.Clone(c.body)} // bounded by maxPayload
	s.cache(sh, c.id, e)
	return true
}

// isTombstone reports whether an encoded record is one, without decoding it: after
// the expiry, which has no comma in it, comes whether the session has ended.
func isTombstone(body []byte) bool {
	at := bytes.IndexByte(body, ',')
	return at >= 0 && bytes.HasPrefix(body[at:], []byte(`,"ended":true`))
}

// cache enters an entry with its record, and drops others over the limits. sh.mu is
// held.
func (s *Sessions) cache(sh *sessionShard, id session.ID, e sessionEntry) {
	sh.entries[id] = e
	sh.cached++
	sh.cachedBytes += e.weight()
	most, mostBytes := (s.limits.cached+sessionShards-1)/sessionShards, s.limits.cachedBytes/sessionShards
	for sh.cached > 1 && (sh.cached > most || sh.cachedBytes > mostBytes) {
		sh.shrink(id)
	}
}

// remember caches a record that was read, if it is still at that revision.
func (s *Sessions) remember(id session.ID, rev uint64, body []byte) {
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[id]
	if e.rev != rev || e.cached() {
		return
	}
	e.data = slices.Clone(body)
	s.cache(sh, id, e)
}

// raise forgets the records at revisions below a floor: what was to be kept of
// them has been put again.
func (s *Sessions) raise(floor uint64) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for id, e := range sh.entries {
			if e.rev < floor {
				sh.uncache(id, e)
				delete(sh.entries, id)
				s.count.Add(-1)
				s.bytes.Add(-int64(e.size))
			}
		}
		sh.mu.Unlock()
	}
}

// shrink drops some cached record other than keep's; which one is left to the
// order of the map, which is random. sh.mu is held.
func (sh *sessionShard) shrink(keep session.ID) {
	for id, e := range sh.entries {
		if id != keep && e.cached() {
			sh.uncache(id, e)
			return
		}
	}
}

// uncache drops an entry's record. sh.mu is held.
func (sh *sessionShard) uncache(id session.ID, e sessionEntry) {
	if !e.cached() {
		return
	}
	e.data, e.record = nil, nil
	sh.entries[id] = e
	sh.cached--
	sh.cachedBytes -= e.weight()
}

// sweep drops the records of what has expired. That there was something is known
// until the floor is above it.
func (s *Sessions) sweep(now time.Time) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for id, e := range sh.entries {
			if e.expires <= now.UnixMilli() {
				sh.uncache(id, e)
			}
		}
		sh.mu.Unlock()
	}
}

// valid returns how many records there are that have not expired, as far as this
// node knows, and how large they are.
func (s *Sessions) valid(now time.Time) (n int, size int64) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for _, e := range sh.entries {
			if e.expires > now.UnixMilli() {
				n++
				size += int64(e.size)
			}
		}
		sh.mu.Unlock()
	}
	return n, size
}

// Len returns the number of sessions with a record, as far as this node knows.
func (s *Sessions) Len() int {
	n, _ := s.valid(time.Now())
	return n
}
