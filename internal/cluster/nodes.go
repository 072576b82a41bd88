// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
)

// view is a Cluster as [nodes.Nodes]. What it does not name itself the Cluster does.
type view struct{ *Cluster }

var _ nodes.Nodes = view{}

// Nodes returns the view of all nodes for what lives at one of them.
func (c *Cluster) Nodes() nodes.Nodes { return view{c} }

// Self implements [nodes.Nodes].
func (v view) Self() (node, instance string) { return v.cfg.Name, v.members.self.Instance }

// Scope implements [nodes.Nodes].
func (v view) Scope() string { return "" }

// Members implements [nodes.Nodes]. One that only others hear at the moment is
// reachable, and not ready; this node then is not ready either, since it cannot ask
// all. It need not have a majority: a home is found by asking, not by writing.
func (v view) Members() []nodes.Member {
	members := v.Cluster.Members()
	able := v.Able() == nil && !slices.ContainsFunc(members, func(m Member) bool { return m.Apart() })
	all := make([]nodes.Member, 0, len(members))
	for i := range members {
		m := &members[i]
		all = append(all, nodes.Member{
			Name: m.Name, Instance: m.Instance, Self: m.Self, Reachable: !m.Suspected || m.Apart(),
			Ready: m.Up() && (!m.Self || able), Gaps: m.Gaps,
		})
	}
	for _, d := range v.Departed() {
		all = append(all, nodes.Member{Name: d.Name, Instance: d.Instance, Left: true})
	}
	return all
}

// Alive implements [nodes.Nodes].
func (v view) Alive(node string) bool {
	select {
	case <-v.Down(node):
		return false
	default:
		return true
	}
}

// Lost implements [nodes.Nodes].
func (v view) Lost(node, instance string) bool { return v.members.isLost(node, instance, time.Now()) }

// Changes implements [nodes.Nodes].
func (v view) Changes() (<-chan struct{}, func()) { return v.WatchMembers() }

// Open implements [nodes.Nodes].
func (v view) Open(ctx context.Context, to nodes.Address, first []byte) (nodes.Stream, error) {
	s, err := v.Cluster.Open(ctx, to, first)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Serve implements [nodes.Nodes].
func (v view) Serve(kind string, accept func(ctx context.Context, s nodes.Stream)) func() {
	v.ServeStream(kind, func(ctx context.Context, s *Stream) { accept(ctx, s) })
	return func() {
		v.rpc.mu.Lock()
		defer v.rpc.mu.Unlock()
		delete(v.rpc.acceptor, kind)
	}
}

// Apart reports whether this node may be cut off from the others, or has been a
// moment ago: whom it does not hear may be alive. It has no majority, hears nobody,
// or was itself stopped.
func (c *Cluster) Apart() bool {
	if c.mode == Alone {
		return false
	}
	if c.health.lost.Load() {
		return true
	}
	m := c.members
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.whole) < completeAfter*m.c.cfg.Heartbeat {
		return true
	}
	for _, k := range m.byName {
		if !k.Self && !k.Suspected {
			return false
		}
	}
	return true
}

// completeAfter is how many heartbeats it takes to have heard of everybody.
const completeAfter = 2 * misses

// isLost reports whether a node's instance is over, or counts as over. One that
// others hear is not, although this node does not.
func (m *members) isLost(node, instance string, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.byName[node]
	complete := m.own != Joining && now.Sub(m.whole) >= completeAfter*m.c.cfg.Heartbeat
	switch {
	case k != nil && k.Instance == instance:
		return k.alive.Err() != nil
	case k != nil && k.heir == instance:
		return false
	}
	return complete
}
