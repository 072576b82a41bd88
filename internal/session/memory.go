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

// Memory is a [Store] of one process. It holds a bounded number of records;
// when it is full the one unused for longest goes, be it a tombstone.
type Memory struct {
	perShard int
	revision atomic.Uint64 // the latest; one that was forgotten never comes again
	shards   [shardCount]memoryShard
}

type memoryShard struct {
	mu      sync.Mutex
	records map[ID]*list.Element // of *memoryEntry
	used    list.List            // least recently used first
}

type memoryEntry struct {
	id     ID
	record *Record
}

var _ Store = (*Memory)(nil)

// NewMemory returns a store of about max records; 0 means 262,144.
func NewMemory(max int) *Memory {
	if max <= 0 {
		max = 1 << 18
	}
	return &Memory{perShard: (max + shardCount - 1) / shardCount}
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
	s.used.MoveToBack(e)
	return r
}

func (s *memoryShard) drop(e *list.Element) {
	delete(s.records, e.Value.(*memoryEntry).id)
	s.used.Remove(e)
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
		s.records[id].Value.(*memoryEntry).record = &r
		return r.Revision, nil
	}
	if s.records == nil {
		s.records = map[ID]*list.Element{}
	}
	if len(s.records) >= m.perShard {
		s.drop(s.used.Front())
	}
	s.records[id] = s.used.PushBack(&memoryEntry{id, &r})
	return r.Revision, nil
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
