// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// Of records over the limits those go that expire soonest: sessions that never came
// back, then the oldest. Tombstones go last: without its tombstone the ticket of a
// session that was ended is good again.

// maxVictims bounds how many records are evicted at once.
const maxVictims = 1 << 16

// victim is a record that may have to go.
type victim struct {
	id      session.ID
	rev     uint64
	expires int64
	size    uint32
	ended   bool
}

// compare says which of two goes first.
func (v *victim) compare(o *victim) int {
	if v.ended != o.ended {
		if o.ended {
			return -1
		}
		return 1
	}
	return cmp.Compare(v.expires, o.expires)
}

// victims is a heap with the one that goes last on top.
type victims []victim

func (h victims) Len() int           { return len(h) }
func (h victims) Less(i, j int) bool { return h[i].compare(&h[j]) > 0 }
func (h victims) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *victims) Push(v any)        { *h = append(*h, v.(victim)) }
func (h *victims) Pop() any {
	last := len(*h) - 1
	v := (*h)[last]
	*h = (*h)[:last]
	return v
}

// excess returns the records that have to go for the others to be within the limits,
// maxVictims at most.
func (s *Sessions) excess(now time.Time) []victim {
	if s.count.Load() <= int64(s.limits.records) && s.bytes.Load() <= s.limits.bytes {
		return nil
	}
	var first victims
	n, size := 0, int64(0) // of the same records as first: others may be evicting too
	s.eachValid(now, func(v victim) {
		n++
		size += int64(v.size)
		if len(first) < maxVictims {
			heap.Push(&first, v)
		} else if v.compare(&first[0]) < 0 {
			first[0] = v
			heap.Fix(&first, 0)
		}
	})
	if n <= s.limits.records && size <= s.limits.bytes {
		return nil // the rest has expired
	}
	slices.SortFunc(first, func(a, b victim) int { return a.compare(&b) })
	// A little more than need be, so that not each new record makes another go.
	most, mostBytes := s.limits.records-s.limits.records/64, s.limits.bytes-s.limits.bytes/64
	for i, v := range first {
		if n <= most && size <= mostBytes {
			return first[:i]
		}
		n--
		size -= int64(v.size)
	}
	return first
}

// eachValid hands over every record that has not expired.
func (s *Sessions) eachValid(now time.Time, do func(victim)) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for id, e := range sh.entries {
			if e.expires > now.UnixMilli() {
				do(victim{id: id, rev: e.rev, expires: e.expires, size: e.size, ended: e.ended})
			}
		}
		sh.mu.Unlock()
	}
}

// evicted is what a record is replaced by that has to go. It expired long ago.
var evicted = change{expires: 1, body: []byte("{}")}

// evict has the records go that are too many. It may be broken off anywhere.
func (c *cleaning) evict(ctx context.Context) error {
	list := c.j.table.excess(time.Now())
	if len(list) == 0 || c.j.certain() == 0 {
		return nil
	}
	changes := make([]change, len(list))
	for i, v := range list {
		changes[i] = evicted
		changes[i].id, changes[i].over = v.id, v.rev
	}
	return c.putAgain(ctx, changes)
}
