// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// TestFeedCatchesUp loses published changes on the way and holds that they are
// there all the same.
func TestFeedCatchesUp(t *testing.T) {
	nodes, ctx := three(t), bounded(t)
	f := nodes[1].sessions.journal
	if err := f.sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	var ids []session.ID
	for range 1200 { // more than one batch
		ids = append(ids, session.NewID())
	}
	put := func(id session.ID) {
		if _, err := nodes[0].Sessions().Put(ctx, id, testRecord("a")); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range ids {
		put(id)
	}
	f.sub = nil
	if err := f.start(ctx); err != nil { // and again from where it was
		t.Fatal(err)
	}
	for _, id := range ids {
		eventually(t, 2*time.Second, func() error { _, err := nodes[1].Sessions().Get(ctx, id); return err }) // the replica may be a little behind
	}
}

// TestOthersTellOfChanges holds that what only the others' heartbeats tell of is caught up with.
func TestOthersTellOfChanges(t *testing.T) {
	nodes, ctx := three(t), bounded(t)
	f := nodes[2].sessions.journal
	if err := f.sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		f.sub = nil
		if err := f.start(ctx); err != nil {
			t.Fatal(err)
		}
	}()
	id := session.NewID()
	if _, err := nodes[0].Sessions().Put(ctx, id, testRecord("a")); err != nil {
		t.Fatal(err)
	}
	eventually(t, 2*time.Second, func() error { _, err := nodes[2].Sessions().Get(ctx, id); return err })
}

// TestUntoldChange holds that a change whose writer told nobody is known to all
// soon after the next one.
func TestUntoldChange(t *testing.T) {
	nodes, ctx := three(t), bounded(t)
	silent := sessionsOver(t, nodes[0], 10, func(a asker) asker { return a })
	silent.journal.feed = "nobody"
	untold, told := session.NewID(), session.NewID()
	if _, err := silent.Put(ctx, untold, testRecord("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := nodes[0].Sessions().Put(ctx, told, testRecord("a")); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		eventually(t, 2*time.Second, func() error { _, err := n.Sessions().Get(ctx, untold); return err })
	}
}

// TestFrames holds that entries survive being told, in frames of bounded size.
func TestFrames(t *testing.T) {
	var entries []byte
	for i := range 3000 {
		entries = appendEntry(entries, value{rev: uint64(i), key: fmt.Sprint("k", i), writes: "w", data: make([]byte, 300)})
	}
	next, frames := uint64(0), 0
	for rest := entries; len(rest) > 0; frames++ {
		n := frameLength(rest)
		if n > frameBytes {
			t.Errorf("a frame of %d bytes", n)
		}
		for b := rest[:n]; len(b) > 0; next++ {
			v, after, ok := cutEntry(b)
			if !ok || v.rev != next || v.key != fmt.Sprint("k", next) || v.writes != "w" || len(v.data) != 300 {
				t.Fatalf("entry %d: %+v", next, v)
			}
			b = after
		}
		rest = rest[n:]
	}
	if next != 3000 || frames < 3 {
		t.Errorf("%d entries in %d frames", next, frames)
	}
	for n := range 20 { // torn ones are refused, not read beyond their end
		if _, _, ok := cutEntry(entries[:n]); ok {
			t.Errorf("an entry of %d bytes", n)
		}
	}
}

// TestRecordsBeyondTheCache holds that a record that is not in memory is read from the store.
func TestRecordsBeyondTheCache(t *testing.T) {
	c, ctx := three(t)[0], bounded(t)
	s := sessionsOver(t, c, sessionShards, func(a asker) asker { return a }) // one per shard
	var ids []session.ID
	for range 10 {
		id := session.NewID()
		id[0] = 0
		ids = append(ids, id)
		if _, err := s.Put(ctx, id, testRecord(id.String())); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.shards[0].cached; n != 1 {
		t.Errorf("%d records in memory, want 1", n)
	}
	for _, id := range ids {
		r, err := s.Get(ctx, id)
		if err != nil || r.Subscriptions[0] != id.String() {
			t.Fatalf("record from the store: %+v, %v", r, err)
		}
		next := *r
		next.LogLevel = "error"
		if _, err := s.Put(ctx, id, next); err != nil {
			t.Errorf("change of it: %v", err)
		}
	}
}

func TestExpiredRecordIsGone(t *testing.T) {
	c, ctx, id := three(t)[0], bounded(t), session.NewID()
	r := testRecord("a")
	r.Expires = time.Now().Add(50 * time.Millisecond)
	if _, err := c.Sessions().Put(ctx, id, r); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Second, func() error {
		if _, err := c.Sessions().Get(ctx, id); !errors.Is(err, session.ErrNotFound) {
			return fmt.Errorf("expired record: %v", err)
		}
		return nil
	})
	c.Sessions().sweep(time.Now())
	sh := c.Sessions().shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := sh.entries[id]; e.cached() {
		t.Error("the sweep left it")
	}
}
