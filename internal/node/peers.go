// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-mcp/holdfast/internal/backend/peer"
	"github.com/holdfast-mcp/holdfast/internal/cluster"
)

// peers shows the cluster to package peer.
type peers struct{ *cluster.Cluster }

var _ peer.Cluster = peers{}

// Members are the nodes that are not suspected.
func (p peers) Members() []peer.Member {
	var alive []peer.Member
	for _, m := range p.Cluster.Members() {
		if !m.Suspected {
			alive = append(alive, peer.Member{Name: m.Name, Ready: m.Up() && m.State == cluster.Serving && (!m.Self || p.Ready() == nil)})
		}
	}
	return alive
}

// Open opens a stream. What was not there, or does not serve peers yet, is absent.
func (p peers) Open(ctx context.Context, node, kind string) (peer.Stream, error) {
	s, err := p.Cluster.Open(ctx, node, kind)
	switch {
	case errors.Is(err, cluster.ErrNodeLost), errors.Is(err, cluster.ErrNoHandler):
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
