// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/peer"
)

// peers is a Cluster as [peer.Peers].
type peers struct{ c *Cluster }

var (
	_ peer.Peers  = peers{}
	_ peer.Stream = (*Stream)(nil)
)

// Peers returns the view of the other nodes for what lives at one of them.
func (c *Cluster) Peers() peer.Peers { return peers{c} }

// Self implements [peer.Peers].
func (p peers) Self() (node, instance string) { return p.c.cfg.Name, p.c.members.self.Instance }

// Lost implements [peer.Peers].
func (p peers) Lost(node, instance string) bool {
	return p.c.members.isLost(node, instance, time.Now())
}

// Changes implements [peer.Peers].
func (p peers) Changes() (<-chan struct{}, func()) { return p.c.WatchMembers() }

// Open implements [peer.Peers].
func (p peers) Open(ctx context.Context, node, kind string) (peer.Stream, error) {
	s, err := p.c.Open(ctx, node, kind)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Serve implements [peer.Peers].
func (p peers) Serve(kind string, accept func(ctx context.Context, s peer.Stream)) func() {
	p.c.ServeStream(kind, func(ctx context.Context, s *Stream) { accept(ctx, s) })
	return func() {
		x := p.c.rpc
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.acceptor, kind)
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
