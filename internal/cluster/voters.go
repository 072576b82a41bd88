// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"slices"
	"time"
)

// absence is a node that majorities count and that is not there.
type absence struct {
	since  time.Time
	among  []string // the nodes that counted when it began
	warned bool
}

// absences reminds of nodes that are gone and still count.
type absences struct {
	c    *Cluster
	gone map[string]*absence
}

// watchVoters looks for them until ctx ends.
func (c *Cluster) watchVoters(ctx context.Context) {
	a := &absences{c: c, gone: map[string]*absence{}}
	ticker := time.NewTicker(spreadInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if voters, err := c.Voters(); err == nil {
				up, _ := c.members.roll()
				a.look(voters, up, now)
			}
		}
	}
}

// look warns of each node that is gone once: when it has been for some minutes, or
// when another has come, as for one that is replaced under another name.
func (a *absences) look(voters, up []string, now time.Time) {
	for name := range a.gone {
		if !slices.Contains(voters, name) || slices.Contains(up, name) {
			delete(a.gone, name)
		}
	}
	for _, name := range voters {
		if slices.Contains(up, name) {
			continue
		}
		g := a.gone[name]
		if g == nil {
			g = &absence{since: now, among: voters}
			a.gone[name] = g
		}
		replaced := slices.ContainsFunc(voters, func(n string) bool { return !slices.Contains(g.among, n) })
		if g.warned || !replaced && now.Sub(g.since) < forgetAfter {
			continue
		}
		g.warned = true
		a.c.log.Warn("a node is gone and still counts for majorities; if it never returns, run holdfast nodes remove "+name,
			"node", name, "gone_since", g.since.UTC().Format(time.RFC3339), "replaced", replaced, "counted", len(voters), "up", len(up))
	}
}
