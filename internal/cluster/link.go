// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
)

// link says whether messages pass between this node and an instance of another.
// It is safe for concurrent use.
type link struct {
	isBroken atomic.Bool

	mu     sync.Mutex
	mended chan struct{} // closed when it is whole again
}

func newLink() *link { return &link{} }

// breaks notes that messages do not pass.
func (l *link) breaks() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.isBroken.Swap(true) {
		l.mended = make(chan struct{})
	}
}

// mends notes that they pass again.
func (l *link) mends() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isBroken.Swap(false) {
		close(l.mended)
	}
}

// await waits until messages pass; it fails with the cause of the context that
// ends first.
func (l *link) await(ctx, near context.Context) error {
	for l.isBroken.Load() {
		l.mu.Lock()
		mended := l.mended
		l.mu.Unlock()
		select {
		case <-mended:
		case <-near.Done():
			return context.Cause(near)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// reach returns a context that ends when the link to a node breaks; nil when the node
// has never been heard of. To a node that only others hear it waits for a way, at most
// [linkPatience] from when the link broke. It fails with a [nodes.LostError], or ctx's
// cause.
func (m *members) reach(ctx context.Context, node string) (context.Context, error) {
	for {
		m.mu.Lock()
		k := m.byName[node]
		if k == nil {
			m.mu.Unlock()
			return nil, nil //nolint:nilnil // as documented
		}
		suspected, link, near, whole := k.Suspected, k.link, k.near, k.whole
		lost := &nodes.LostError{Node: node, HeardBy: k.HeardBy}
		m.mu.Unlock()
		switch {
		case !suspected:
			return whole, nil
		case near.Err() != nil:
			return nil, lost
		}
		if err := link.await(ctx, near); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			return nil, lost
		}
	}
}

// near returns a context that ends when messages on their way to or from a node
// are given up, and the link to it; nil when it has never been heard of.
func (m *members) near(node string) (near context.Context, l *link) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.byName[node]; k != nil {
		return k.near, k.link
	}
	return nil, nil
}

// between returns the nodes by way of which one that only others hear could be
// reached, that to be tried first before the others: each two nodes have an order
// of their own.
func (m *members) between(node string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.byName[node]
	if k == nil {
		return nil
	}
	var names []string
	now := time.Now()
	for _, z := range m.byName {
		if s := sees(z.sees, k.Name, k.Instance); s != nil && s.Direct && z.Via == "" && m.trusts(z, now) {
			names = append(names, z.Name)
		}
	}
	pair := []string{m.self.Name, node}
	slices.Sort(pair)
	weight := func(name string) string {
		sum := sha256.Sum256([]byte(strings.Join(append(pair, name), "\x00")))
		return string(sum[:])
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(weight(a), weight(b)) })
	return names
}

// direct reports whether a node is reached without another between.
func (m *members) direct(node string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.byName[node]
	return k != nil && !k.Suspected && k.Via == ""
}

// setVia notes by way of which node another is reached; empty for none.
func (m *members) setVia(node, via string) {
	m.mu.Lock()
	defer m.unlock()
	if k := m.byName[node]; k != nil && k.Via != via {
		k.Via = via
		m.report(k, time.Now())
		m.wake()
	}
}

// setDialled notes whether a node that is reached by way of another answers when
// it is dialled. It reports whether it does, or this node does when that dials it.
func (m *members) setDialled(node string, answers bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.byName[node]
	if k == nil {
		return false
	}
	k.dialled = answers
	s := sees(k.sees, m.self.Name, m.self.Instance)
	return answers || s != nil && s.Dialled && !k.Suspected
}
