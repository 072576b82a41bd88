// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"syscall"
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

// TestQuorumIsReported: a majority that is gone is told of once, when an election
// would be over, and so is its return, with how many writes were refused; a node
// without others has other words.
func TestQuorumIsReported(t *testing.T) {
	for _, tc := range []struct {
		name  string
		alone bool
		lost  []string
		want  string
	}{
		{"majority", false, []string{"n2", "n3"}, `level=WARN msg="the cluster has no majority: writes are refused, reads go on" refused=12 up=n1 missing=n2,n3
level=INFO msg="the cluster takes writes again" refused=400
`},
		{"leader", false, nil, `level=WARN msg="the cluster's stores have no leader: writes are refused, reads go on" refused=12 up=n1,n2,n3 missing=""
level=INFO msg="the cluster takes writes again" refused=400
`},
		{"alone", true, nil, `level=WARN msg="the store of this node takes no writes; reads go on" refused=12
level=INFO msg="the store of this node takes writes again" refused=400
`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOnlooker()
				o.nodes = map[string][]string{"n2": {"n1", "n3"}, "n3": {"n1", "n2"}}
				o.pass(time.Second)
				for _, name := range tc.lost {
					delete(o.nodes, name)
				}
				o.pass(2 * time.Second)
				log, out := newLines(slog.LevelInfo)
				c := o.c
				c.log, c.health = log, &health{alone: tc.alone}
				said := &quorumReport{report: report{state: quorate, told: quorate}}
				look := func(turns int) {
					for range turns {
						c.reportQuorum(said, time.Now())
						time.Sleep(probeInterval)
					}
				}
				look(3)
				c.health.lose(time.Now().UnixNano())
				look(3) // an election
				if out.String() != "" {
					t.Errorf("told of an election: %s", out)
				}
				c.health.refused.Add(12)
				look(20)
				c.health.refused.Add(400)
				c.health.lost.Store(false)
				look(20)
				got := out.String()
				if at := strings.Index(got, " since="); at > 0 {
					got = got[:at] + got[at+len(" since=2000-01-01T00:00:00Z"):]
				}
				if got != tc.want {
					t.Errorf("the log is\n%s\nwant\n%s", got, tc.want)
				}
			})
		})
	}
}

// TestWords: an error says of a majority only where one is missing.
func TestWords(t *testing.T) {
	for _, err := range []error{ErrStorage, errStale, errAlone, (&health{alone: true}).missing(), &DiskError{"d", syscall.ENOSPC}} {
		if !errors.Is(err, ErrNoQuorum) || strings.Contains(err.Error(), "majority") {
			t.Errorf("%q", err)
		}
	}
}
