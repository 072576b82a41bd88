// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestEventLogTooLarge asks for a larger event log than the disk has room for: the
// node says how large, and how much room there is.
func TestEventLogTooLarge(t *testing.T) {
	dir := t.TempDir()
	free, known := freeSpace(dir)
	if !known {
		t.Skip("the system does not say how much space is free")
	}
	c, err := Open(bounded(t), Config{Dir: dir, EventBytes: 2 * free, Log: testLog()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	words := fmt.Sprintf("it reserves %d MiB (cluster.events.bytes)", 2*free>>20)
	eventually(t, 5*time.Second, func() error {
		if err := c.Ready(); err == nil || !strings.Contains(err.Error(), words) {
			return fmt.Errorf("it says %w, want a word that %s", err, words)
		}
		return nil
	})
}

// TestEventLogBySpace holds that an event log without a bound of its own leaves room
// at the node with the least space, and keeps its bound when that changes.
func TestEventLogBySpace(t *testing.T) {
	m := &members{byName: map[string]*member{"a": newMember(Member{Free: 1 << 40}), "b": newMember(Member{})}}
	c := &Cluster{members: m}
	for least, want := range map[int64]int64{1 << 40: maxEventBytes, 400 << 20: 100 << 20, 33 << 20: (33 << 20) / 4, 1: minEventBytes} {
		m.byName["c"] = newMember(Member{Free: least})
		if got := c.eventBytes(); got != want {
			t.Errorf("with %d bytes free: %d, want %d", least, got, want)
		}
	}
	c.cfg.EventBytes = 5 << 20
	if got := c.eventBytes(); got != 5<<20 {
		t.Errorf("%d, and %d was asked for", got, 5<<20)
	}
	alone := openAlone(t, t.TempDir())
	info, err := alone.streamInfo(t.Context(), alone.stream(kindEvent))
	if err != nil {
		t.Fatal(err)
	}
	was := info.Config.MaxBytes
	alone.members.mu.Lock()
	alone.members.byName["x"] = newMember(Member{Free: was})
	alone.members.mu.Unlock()
	if err := alone.createStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err = alone.streamInfo(t.Context(), alone.stream(kindEvent)); err != nil || info.Config.MaxBytes != was {
		t.Errorf("the bound became %d, %v; it was %d", info.Config.MaxBytes, err, was)
	}
}
