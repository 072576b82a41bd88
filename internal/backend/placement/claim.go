// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
)

var errNotReady = errors.New("this node is not ready to become a home")

// claim returns the key's home after asking every member.
func (b *Backend) claim(ctx context.Context, key, whose string) (string, error) {
	c, fresh := b.table.begin(key)
	if fresh {
		if !b.x.spawn(func() { b.askAll(key, whose, c) }) {
			b.table.settle(key, whose, c, found{err: errClosed})
		}
	}
	select {
	case <-c.done:
		return c.node, c.err
	case <-ctx.Done():
		return "", fmt.Errorf("look for the home of the instance: %w", context.Cause(ctx))
	}
}

// spawn runs f on a goroutine of the exchange; it reports false after Close.
func (x *Exchange) spawn(f func()) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return false
	}
	x.wg.Go(f)
	return true
}

// askAll carries a claim out.
func (b *Backend) askAll(key, whose string, c *claim) {
	ctx, cancel := context.WithTimeoutCause(b.x.ctx, b.x.cfg.Answer, errors.New("no answer in time"))
	defer cancel()
	s := survey{b: b, key: key, asked: map[string]bool{b.x.self: true}}
	nodes := make([]string, 0, 8)
	for _, m := range b.x.members() {
		nodes = append(nodes, m.Name)
	}
	all := s.ask(ctx, nodes)
	all.apart = !b.x.nodes.Majority()
	if h := b.table.settle(key, whose, c, all); h != nil {
		b.publish(notice{Held: []heldKey{{key, h.generation}}})
		if b.inner.Single() {
			b.watching.again()
		}
		b.table.sweep(b.inner.Holds)
	}
}

// survey asks nodes for the home of a key: all members, and the home that one of
// them names, which this node may not have heard of yet.
type survey struct {
	b   *Backend
	key string

	mu    sync.Mutex
	asked map[string]bool
	found found
	named map[string]bool // homes by what the last nodes said
}

// ask asks nodes, then those that they name.
func (s *survey) ask(ctx context.Context, nodes []string) found {
	for len(nodes) > 0 {
		s.named = map[string]bool{}
		var wg sync.WaitGroup
		for _, node := range nodes {
			if s.asked[node] || s.b.table.parted(node) {
				continue
			}
			s.asked[node] = true
			wg.Go(func() { s.askOne(ctx, node) })
		}
		wg.Wait()
		if s.found.holder != "" {
			break
		}
		nodes = nodes[:0]
		for node := range s.named {
			nodes = append(nodes, node)
		}
	}
	return s.found
}

// askOne asks one node and takes in what it says.
func (s *survey) askOne(ctx context.Context, node string) {
	said, err := s.b.query(ctx, node, s.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &s.found
	if err != nil {
		f.err = fmt.Errorf("node %q did not say whether the instance is there: %w", node, err)
		return
	}
	if said.Holds && (f.holder == "" || said.Generation > f.generation) {
		f.holder = node
	}
	if said.Will && (f.will == "" || score(s.key, node) > score(s.key, f.will)) {
		f.will = node
	}
	if said.To != "" {
		s.named[said.To] = true
	}
	f.known = f.known || said.Known
	f.generation = max(f.generation, said.Generation)
}

// query asks one node. One that is not there has nothing.
func (b *Backend) query(ctx context.Context, node, key string) (*envelope, error) {
	question, err := (&envelope{Kind: kindQuery, Server: b.name, Key: key}).encode(nil)
	if err != nil {
		return nil, err
	}
	said := &envelope{}
	answer, err := b.x.nodes.Ask(ctx, nodes.Address{Node: node, Kind: kindPlaced}, question)
	if err == nil {
		said, err = decode(answer)
	}
	switch {
	case nodes.Absent(err):
		return &envelope{}, nil
	case err != nil && !b.x.alive(node):
		return &envelope{}, nil
	case err != nil:
		return nil, err
	case said.Kind == kindRefuse:
		return &envelope{}, nil
	case said.Kind != kindHeld:
		return nil, fmt.Errorf("answered with %q", said.Kind)
	}
	return said, nil
}

// search is a call that is to be placed.
type search struct {
	key, whose string
	not        map[string]bool // nodes known to be gone
	asker      string          // the node that sent the call here, having looked at the hash; else empty
	ask        bool            // what is known has led nowhere
	bound      string          // the process of the node that the call is bound to; else empty
	again      bool            // a bound call was sent before, and may have arrived
}

// place says where a call goes. When that is here, its key is entered.
func (b *Backend) place(ctx context.Context, s search) (node string, h *holding, lost bool, err error) {
	for range maxHops {
		if h, lost = b.table.enter(s.key); h != nil {
			return b.x.self, h, lost, nil
		}
		if at := b.table.where(s.key).node; !s.ask && at != b.x.self && at != s.asker && !s.not[at] && b.x.alive(at) && !b.table.parted(at) {
			return at, nil, false, nil
		}
		best := rendezvous(s.key, b.x.members(), s.not)
		switch {
		case best == "":
			return "", nil, false, backend.ErrUnready
		case s.asker == "" && best != b.x.self && !(s.ask && b.ready()):
			return best, nil, false, nil
		case !b.ready():
			return "", nil, false, errNotReady
		}
		if node, err = b.claim(ctx, s.key, s.whose); err != nil {
			return "", nil, false, err
		}
		if node != b.x.self {
			if s.not[node] {
				continue
			}
			return node, nil, false, nil
		}
	}
	return "", nil, false, errDispute
}

// ready reports whether this node may become a home.
func (b *Backend) ready() bool {
	for _, m := range b.x.members() {
		if m.Name == b.x.self {
			return m.Ready
		}
	}
	return false
}
