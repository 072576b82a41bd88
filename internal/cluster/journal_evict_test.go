// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// TestEvict holds that of more records than may be kept those go that expire soonest,
// tombstones last, at every node, and that one that has gone is made anew.
func TestEvict(t *testing.T) {
	dir := t.TempDir()
	for name, limit := range map[string]Config{
		"records": {MaxRecords: 20},
		"bytes":   {MaxRecordBytes: 20 * 1000},
	} {
		t.Run(name, func(t *testing.T) {
			configs := threeConfigs(t, dir+"/"+name)
			for i := range configs {
				configs[i].MaxRecords, configs[i].MaxRecordBytes = limit.MaxRecords, limit.MaxRecordBytes
			}
			nodes, ctx := openAll(t, configs), bounded(t)
			put := func(expires time.Duration, ended bool) session.ID {
				id := session.NewID()
				r := testRecord(strings.Repeat("a", 910))
				r.Expires, r.Ended = time.Now().Add(expires).UTC(), ended
				if _, err := nodes[0].Sessions().Put(ctx, id, r); err != nil {
					t.Fatal(err)
				}
				return id
			}
			var ended, old, young, abandoned []session.ID
			for range 10 {
				ended = append(ended, put(time.Hour, true)) // the oldest, and they expire sooner than some
				abandoned = append(abandoned, put(time.Minute, false))
				old = append(old, put(2*time.Hour, false))
				young = append(young, put(3*time.Hour, false))
			}
			if err := cleaner(t, nodes[0]).evict(ctx); err != nil {
				t.Fatal(err)
			}
			for _, n := range nodes {
				eventually(t, 5*time.Second, func() error {
					for _, tc := range []struct {
						ids  []session.ID
						kept bool
					}{{ended, true}, {abandoned, false}, {old, false}, {young[1:], true}} {
						for _, id := range tc.ids {
							if _, err := n.Sessions().Get(ctx, id); tc.kept != (err == nil) || !tc.kept && !errors.Is(err, session.ErrNotFound) {
								return fmt.Errorf("%s: want kept %t: %w", n.Name(), tc.kept, err)
							}
						}
					}
					return nil
				})
			}
			if _, err := nodes[1].Sessions().Put(ctx, abandoned[3], testRecord("new")); err != nil {
				t.Errorf("a record that has gone is not made anew: %v", err)
			}
			for range 30 {
				put(time.Hour, true)
			}
			if err := cleaner(t, nodes[0]).evict(ctx); err != nil {
				t.Fatal(err)
			}
			if n := nodes[0].Sessions().Len(); n > 20 || n < 15 {
				t.Errorf("%d records, and nothing but tombstones was left to go", n)
			}
		})
	}
}

// TestEvictWithin holds that nothing goes within the limits, nor what has expired.
func TestEvictWithin(t *testing.T) {
	now := time.Now()
	s := newSessions(offline(), recordLimits{records: 10, bytes: 1000, cached: 100, cachedBytes: 1 << 20})
	for i := range 20 {
		expires := now.Add(time.Hour)
		if i%2 == 0 {
			expires = now.Add(-time.Hour)
		}
		s.admit(uint64(i+1), &change{id: session.NewID(), expires: expires.UnixMilli(), body: make([]byte, 100)}, nil)
	}
	if list := s.excess(now); len(list) != 0 {
		t.Errorf("%d records have to go", len(list))
	}
	s.admit(21, &change{id: session.NewID(), expires: now.Add(time.Minute).UnixMilli(), body: make([]byte, 100)}, nil)
	list := s.excess(now)
	if len(list) == 0 || list[0].rev != 21 || !slices.IsSortedFunc(list, func(a, b victim) int { return a.compare(&b) }) {
		t.Errorf("%+v have to go, want the one that expires first before others", list)
	}
}

// TestTombstone holds that tombstones are known without decoding, whatever else is in
// a record.
func TestTombstone(t *testing.T) {
	trick := `{"a":1,"ended":true}`
	for want, r := range map[bool][]session.Record{
		true:  {{Ended: true}, {Ended: true, Expires: time.Now()}},
		false: {{}, testRecord("a"), testRecord(`","ended":true`), {Capabilities: session.Raw(trick)}, {LogLevel: `x","ended":true,"y":"`}},
	} {
		for _, r := range r {
			body, err := json.Marshal(&r)
			if err != nil {
				t.Fatal(err)
			}
			if isTombstone(body) != want {
				t.Errorf("%s: %t, want %t", body, !want, want)
			}
		}
	}
	if isTombstone(nil) || isTombstone(evicted.body) {
		t.Error("no record at all is one")
	}
}

// TestCacheBytes holds that the records in memory are bounded in bytes too, the large ones
// to less of them, and that what is not there is read again.
func TestCacheBytes(t *testing.T) {
	for _, tc := range []struct {
		name          string
		size, records int
		cache, most   int64 // bytes of each shard
	}{
		{"small", 900, 1000, 4000, 4000},
		{"large", 20_000, 500, 160_000, 160_000 / largeWeight},
	} {
		t.Run(tc.name, func(t *testing.T) {
			testCacheBytes(t, tc.size, tc.records, tc.cache*sessionShards, tc.most*sessionShards)
		})
	}
}

func testCacheBytes(t *testing.T, size, records int, cache, most int64) {
	c, ctx := openAll(t, []Config{{Dir: t.TempDir(), CacheBytes: cache, Log: testLog()}})[0], bounded(t)
	var ids []session.ID
	for range records {
		id := session.NewID()
		if _, err := c.Sessions().Put(ctx, id, testRecord(strings.Repeat("a", size))); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	held := func() (bytes int64) {
		for i := range c.sessions.shards {
			sh := &c.sessions.shards[i]
			sh.mu.Lock()
			var counted int64
			for _, e := range sh.entries {
				if e.cached() {
					counted += e.weight()
					bytes += int64(e.size)
				}
			}
			if counted != sh.cachedBytes {
				t.Errorf("a shard counts %d bytes and has %d", sh.cachedBytes, counted)
			}
			sh.mu.Unlock()
		}
		return bytes
	}
	if n := held(); n > most || n == 0 {
		t.Errorf("%d bytes are in memory, want at most %d", n, most)
	}
	for _, id := range ids {
		if r, err := c.Sessions().Get(ctx, id); err != nil || len(r.Subscriptions[0]) != size {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	if n := held(); n > most {
		t.Errorf("%d bytes are in memory after reading, want at most %d", n, most)
	}
}

// TestRecordsRefused holds that a flood of records that the cleaner has not kept up
// with is refused, and that what is there, and ending, is not.
func TestRecordsRefused(t *testing.T) {
	c, ctx := openAll(t, []Config{{Dir: t.TempDir(), MaxRecordBytes: 2000, Log: testLog()}})[0], bounded(t)
	var last session.ID
	var err error
	for n := 0; err == nil && n < 1000; n++ {
		id := session.NewID()
		if _, err = c.Sessions().Put(ctx, id, testRecord(strings.Repeat("a", 100))); err == nil {
			last = id
		}
	}
	if !errors.Is(err, ErrStorage) {
		t.Fatalf("a flood: %v", err)
	}
	r, err := c.Sessions().Get(ctx, last)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Sessions().Put(ctx, last, *r); err != nil {
		t.Errorf("a record that is there: %v", err)
	}
	gone := testRecord()
	gone.Ended = true
	if _, err := c.Sessions().Put(ctx, session.NewID(), gone); err != nil {
		t.Errorf("the end of a session: %v", err)
	}
}
