// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestStoppedIsNotLost holds that a write without an answer says that there is no
// majority, unless this process was stopped while it waited.
func TestStoppedIsNotLost(t *testing.T) {
	for _, late := range []time.Duration{0, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			time.Sleep(time.Second + late)
			h := &health{}
			if err := h.unknown(ctx, errNoAnswer); !errors.Is(err, ErrNoQuorum) {
				t.Error(err)
			}
			if h.lost.Load() != (late == 0) {
				t.Errorf("noticed %v late: lost is %t", late, h.lost.Load())
			}
		})
	}
}

// TestStale holds that after a stop which the others took for a loss, what began
// before it comes too late for ever, and what begins after it for a moment only.
func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &members{c: &Cluster{cfg: Config{Heartbeat: 200 * time.Millisecond}, mode: Clustered}, awake: time.Now()}
		before := time.Now()
		for range 20 {
			time.Sleep(100 * time.Millisecond)
			m.look(time.Now())
		}
		if m.stale(before) {
			t.Error("stale without a stop")
		}
		time.Sleep(misses * 200 * time.Millisecond) // the process is stopped
		if !m.stale(before) || !m.stale(time.Now()) {
			t.Error("not stale at once")
		}
		m.look(time.Now())
		woke := time.Now()
		for time.Since(woke) < reunion {
			if !m.stale(time.Now()) {
				t.Errorf("not stale %v after the stop", time.Since(woke))
			}
			time.Sleep(100 * time.Millisecond)
			m.look(time.Now())
		}
		if m.stale(time.Now()) {
			t.Error("stale for ever")
		}
		if !m.stale(before) {
			t.Error("what began before the stop is not stale any more")
		}
		m.c.mode = Alone
		if m.stale(before) {
			t.Error("stale at a node without others, where clients wait")
		}
	})
}
