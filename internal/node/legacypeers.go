// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/cluster"
	"github.com/holdfast-mcp/holdfast/internal/engine/legacy"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/session"
)

// legacyPeers is the cluster as the peers of one endpoint.
type legacyPeers struct {
	c                *cluster.Cluster
	requests, stream string // kinds
	mailbox          string // before an address

	mu     sync.RWMutex
	answer func(ctx context.Context, message []byte) ([]byte, error) // nil unless served
	accept func(ctx context.Context, s legacy.PeerStream)
}

var _ legacy.Peers = (*legacyPeers)(nil)

// errUnserved answers nodes that are ahead of, or behind, this one's endpoint.
var errUnserved = errors.New("the endpoint is not served")

// newLegacyPeers is called once for an endpoint, named by its path.
func newLegacyPeers(c *cluster.Cluster, endpoint string) *legacyPeers {
	sum := sha256.Sum256([]byte(endpoint))
	digest := hex.EncodeToString(sum[:8])
	p := &legacyPeers{c: c, requests: "legacy-r-" + digest, stream: "legacy-s-" + digest, mailbox: digest + "_"}
	c.Serve(p.requests, func(ctx context.Context, _ string, message []byte) ([]byte, error) {
		p.mu.RLock()
		answer := p.answer
		p.mu.RUnlock()
		if answer == nil {
			return nil, errUnserved
		}
		return answer(ctx, message)
	})
	c.ServeStream(p.stream, func(ctx context.Context, s *cluster.Stream) {
		p.mu.RLock()
		accept := p.accept
		p.mu.RUnlock()
		if accept == nil {
			s.Close(errUnserved)
			return
		}
		accept(ctx, s)
	})
	return p
}

// Self implements [legacy.Peers].
func (p *legacyPeers) Self() (node, instance string) { return p.c.Nodes().Self() }

// Nodes implements [legacy.Peers]. Who is leaving still finishes its calls, and
// one that only others hear lives: what is sent to it waits for a way.
func (p *legacyPeers) Nodes() []legacy.Node {
	members := p.c.Members()
	nodes := make([]legacy.Node, 0, len(members))
	for _, m := range members {
		if !m.Self {
			nodes = append(nodes, legacy.Node{Name: m.Name, Instance: m.Instance, Reachable: !m.Suspected || m.Apart()})
		}
	}
	for _, m := range p.c.Departed() {
		nodes = append(nodes, legacy.Node{Name: m.Name, Instance: m.Instance, Left: true})
	}
	return nodes
}

// Request implements [legacy.Peers].
func (p *legacyPeers) Request(ctx context.Context, node string, message []byte) ([]byte, error) {
	answer, err := p.c.Request(ctx, node, p.requests, message)
	return answer, lost(err)
}

// Open implements [legacy.Peers].
func (p *legacyPeers) Open(ctx context.Context, node string) (legacy.PeerStream, error) {
	s, err := p.c.Open(ctx, nodes.Address{Node: node, Kind: p.stream}, nil)
	if err != nil {
		return nil, lost(err)
	}
	return lostStream{s}, nil
}

// Serve implements [legacy.Peers].
func (p *legacyPeers) Serve(request func(context.Context, []byte) ([]byte, error), stream func(context.Context, legacy.PeerStream)) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer, p.accept = request, stream
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.answer, p.accept = nil, nil
	}
}

// Keep implements [legacy.Peers].
func (p *legacyPeers) Keep(ctx context.Context, address string, message []byte) error {
	return p.c.Keep(ctx, p.mailbox+address, message)
}

// Collect implements [legacy.Peers].
func (p *legacyPeers) Collect(ctx context.Context, address string) (map[uint64][]byte, error) {
	return p.c.Collect(ctx, p.mailbox+address)
}

// Archive implements [legacy.Peers].
func (p *legacyPeers) Archive() session.Archive { return p.c.Events() }

// lostStream says of a lost node what the engine asks for.
type lostStream struct{ *cluster.Stream }

func (s lostStream) Receive(ctx context.Context) ([]byte, error) {
	message, err := s.Stream.Receive(ctx)
	return message, lost(err)
}

func lost(err error) error {
	if errors.Is(err, nodes.ErrLost) {
		return errors.Join(legacy.ErrNodeLost, err)
	}
	return err
}
