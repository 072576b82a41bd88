// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Memory is a [Store] of one process. It holds a bounded number of records and bytes;
// when it is full the one unused for longest goes, tombstones last.
type Memory struct {
	perShard      int
	bytesPerShard int
	revision      atomic.Uint64 // the latest; one that was forgotten never comes again
	shards        [shardCount]memoryShard
}

type memoryShard struct {
	mu      sync.Mutex
	records map[ID]*list.Element // of *memoryEntry
	bytes   int                  // of all records
	used    list.List            // least recently used first
	ended   list.List            // tombstones, likewise
}

type memoryEntry struct {
	id     ID
	record *Record
}

var _ Store = (*Memory)(nil)

const (
	// memoryRecords is how many records a Memory holds by default.
	memoryRecords = 1 << 18
	// memoryBytes bounds them together, in bytes.
	memoryBytes = 64 << 20
	// recordOverhead is about what a record takes beside its texts.
	recordOverhead = 200
)

// NewMemory returns a store of about max records, of 64 MiB together; 0 means 262,144.
func NewMemory(max int) *Memory {
	if max <= 0 {
		max = memoryRecords
	}
	return &Memory{perShard: (max + shardCount - 1) / shardCount, bytesPerShard: memoryBytes / shardCount}
}

// size is about what a record takes in memory.
func (r *Record) size() int {
	n := recordOverhead + len(r.Capabilities)
	for _, uri := range r.Subscriptions {
		n += len(uri) + 16
	}
	return n
}

func (m *Memory) shard(id ID) *memoryShard { return &m.shards[id[0]%shardCount] }

// Get returns the record of a session.
func (m *Memory) Get(_ context.Context, id ID) (*Record, error) {
	s := m.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.get(id); r != nil {
		return r, nil
	}
	return nil, ErrNotFound
}

// get returns a record that has not expired, as the most recently used.
func (s *memoryShard) get(id ID) *Record {
	e := s.records[id]
	if e == nil {
		return nil
	}
	r := e.Value.(*memoryEntry).record
	if !time.Now().Before(r.Expires) {
		s.drop(e)
		return nil
	}
	s.list(r).MoveToBack(e)
	return r
}

// list returns which list a record is in.
func (s *memoryShard) list(r *Record) *list.List {
	if r.Ended {
		return &s.ended
	}
	return &s.used
}

func (s *memoryShard) drop(e *list.Element) {
	m := e.Value.(*memoryEntry)
	delete(s.records, m.id)
	s.bytes -= m.record.size()
	s.list(m.record).Remove(e)
}

// Put stores a record by compare-and-set.
func (m *Memory) Put(_ context.Context, id ID, r Record) (uint64, error) {
	s := m.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.get(id)
	switch {
	case stored == nil && r.Revision != 0, stored != nil && stored.Revision != r.Revision:
		return 0, ErrConflict
	}
	r.Revision = m.revision.Add(1)
	if stored != nil {
		s.drop(s.records[id])
	}
	if s.records == nil {
		s.records = map[ID]*list.Element{}
	}
	s.records[id] = s.list(&r).PushBack(&memoryEntry{id, &r})
	s.bytes += r.size()
	for len(s.records) > 1 && (len(s.records) > m.perShard || s.bytes > m.bytesPerShard) {
		s.drop(s.oldest(id))
	}
	return r.Revision, nil
}

// oldest returns the record that goes first, other than that of id.
func (s *memoryShard) oldest(id ID) *list.Element {
	for _, l := range []*list.List{&s.used, &s.ended} {
		if e := l.Front(); e != nil {
			if e.Value.(*memoryEntry).id != id {
				return e
			}
			if e = e.Next(); e != nil {
				return e
			}
		}
	}
	return nil // which is not: there are two
}

// Len returns the number of records.
func (m *Memory) Len() int {
	n := 0
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		n += len(s.records)
		s.mu.Unlock()
	}
	return n
}
