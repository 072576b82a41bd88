// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-mcp/holdfast/internal/backend/peer"
	"github.com/holdfast-mcp/holdfast/internal/cluster"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
)

// peers shows the cluster to package peer.
type peers struct{ *cluster.Cluster }

var _ peer.Cluster = peers{}

// Members are the nodes that live. One that only others hear at the moment lives,
// and is not ready; this one then is not either, since it cannot ask all. It need
// not have a majority: a home is found by asking, not by writing.
func (p peers) Members() []peer.Member {
	members := p.Cluster.Members()
	able := p.Able() == nil && !slices.ContainsFunc(members, func(m cluster.Member) bool { return m.Apart() })
	var alive []peer.Member
	for _, m := range members {
		if !m.Suspected || m.Apart() {
			alive = append(alive, peer.Member{Name: m.Name, Ready: m.Up() && (!m.Self || able), Gaps: m.Gaps})
		}
	}
	return alive
}

// Open opens a stream. What was not there, or does not serve peers yet, is absent;
// what only others hear is not.
func (p peers) Open(ctx context.Context, node, kind string) (peer.Stream, error) {
	s, err := p.Cluster.Open(ctx, nodes.Address{Node: node, Kind: kind}, nil)
	switch {
	case nodes.Absent(err), nodes.MayHaveArrived(err) && errors.Is(err, nodes.ErrLost):
		return nil, fmt.Errorf("%w: %w", peer.ErrAbsent, err)
	case err != nil:
		return nil, err
	}
	return s, nil
}

// ServeStream sets what is done with streams.
func (p peers) ServeStream(kind string, accept func(context.Context, peer.Stream)) {
	p.Cluster.ServeStream(kind, func(ctx context.Context, s *cluster.Stream) { accept(ctx, s) })
}
