// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// keptBy waits until each store is kept by so many nodes, all of which have it.
func keptBy(t *testing.T, at *Cluster, n int) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		stores, err := at.Stores(t.Context())
		if err != nil {
			return err
		}
		for _, s := range stores {
			if len(s.Keeps) != n || len(s.Current) != n {
				return fmt.Errorf("%+v", s)
			}
		}
		return nil
	})
}

// TestSpread grows a cluster from three to five nodes, of which any two may be lost
// then, and makes it three again.
func TestSpread(t *testing.T) {
	dir := t.TempDir()
	var configs []Config
	var seeds []string
	for i := range 5 {
		cfg := ownAddress(t, dir, i+1)
		cfg.Steady = 200 * time.Millisecond
		configs = append(configs, cfg)
		if i < 3 {
			seeds = append(seeds, cfg.Listen)
		}
	}
	for i := range configs {
		configs[i].Join = seeds
	}
	nodes := openAll(t, configs[:3])
	keptBy(t, nodes[0], 3)
	w := write(t, nodes...)
	eventually(t, 10*time.Second, func() error { return atLeast(w, 100) })
	nodes = append(nodes, openAll(t, configs[3:])...)
	keptBy(t, nodes[0], 5)
	w.finish(t, nodes...)

	for _, name := range []string{"n5", "n4"} { // any two
		crash(nodes[len(nodes)-1])
		nodes = nodes[:len(nodes)-1]
		w = write(t, nodes...)
		eventually(t, 20*time.Second, func() error { return atLeast(w, 100) })
		w.finish(t, nodes...)
		stores, err := nodes[0].Stores(t.Context())
		if err != nil || stores[0].MayLose() != len(nodes)-3 || slices.Contains(stores[0].Current, name) {
			t.Errorf("without %s: %+v, %v", name, stores, err)
		}
	}
	for _, name := range []string{"n4", "n5"} {
		eventually(t, 20*time.Second, func() error { return nodes[0].Remove(t.Context(), name) })
	}
	keptBy(t, nodes[0], 3)
	crash(nodes[2])
	eventually(t, 20*time.Second, func() error {
		_, err := nodes[0].Sessions().Put(t.Context(), session.NewID(), testRecord("a"))
		return err
	})
	again := openAll(t, configs[2:3])[0]
	keptBy(t, again, 3)
	if voters, err := again.Voters(); err != nil || strings.Join(voters, " ") != "n1 n2 n3" {
		t.Errorf("majorities count %v, %v", voters, err)
	}
}

// TestWantedReplicas: more nodes keep the stores when all have been up for a while,
// and fewer only when there are not as many any more.
func TestWantedReplicas(t *testing.T) {
	for _, tc := range []struct {
		voters, lost int
		quiet        time.Duration
		want         int
	}{
		{3, 0, time.Hour, 3},
		{4, 0, time.Hour, 3},
		{4, 1, 0, 3},
		{5, 0, 0, 0},
		{5, 0, 29 * time.Second, 0},
		{5, 0, 30 * time.Second, 5},
		{5, 1, time.Hour, 0},
		{7, 0, time.Minute, 5},
	} {
		o := newOnlooker()
		o.c.cfg.Steady = 10 * time.Second
		voters := []string{"n1"}
		for i := 2; i <= tc.voters; i++ {
			name := fmt.Sprintf("n%d", i)
			voters = append(voters, name)
			k := o.enter(Member{Name: name, Suspected: i <= tc.lost+1})
			k.met = true
		}
		s := &spread{c: o.c}
		now := time.Now()
		s.want(voters, now)
		if got := s.want(voters, now.Add(tc.quiet)); got != tc.want {
			t.Errorf("%d nodes, %d lost, for %v: %d, want %d", tc.voters, tc.lost, tc.quiet, got, tc.want)
		}
	}
}
