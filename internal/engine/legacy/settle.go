// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// notice is one change on its way to one node.
type notice struct {
	node string

	// Guarded by peering.mu.
	over bool // the node has answered, or is not asked any more
	late bool // it had not when the client was answered
}

// slowness is that of a node which has not seen a change in time.
type slowness struct {
	open  int       // changes that it has not answered yet
	since time.Time // when it answered last, or became slow
}

// settle waits a little until the other nodes have seen a change, so that the
// client's next request finds it wherever it goes. A node that hangs delays no change
// for long: one that has been slow for [hungAfter], and answered nothing meanwhile, is
// waited for no more until it does, and its own feed tells it what has changed.
func (g *peering) settle(ctx context.Context, id session.ID, revision uint64) {
	if g == nil {
		return
	}
	msg := message(tellChanged, id, binary.BigEndian.AppendUint64(nil, revision))
	others := g.prompt()
	seen, open := make(chan struct{}, len(others)), make([]*notice, 0, len(others))
	for _, node := range others {
		n := &notice{node: node}
		if g.run(func() { g.notify(n, msg, seen) }) {
			open = append(open, n)
		}
	}
	timer := time.NewTimer(settleWait)
	defer timer.Stop()
	for range open {
		select {
		case <-seen:
		case <-timer.C:
			g.overdue(open)
			return
		case <-ctx.Done():
			return
		}
	}
}

// prompt returns the nodes that can be reached and do not hang.
func (g *peering) prompt() []string {
	others := g.others()
	g.mu.Lock()
	defer g.mu.Unlock()
	prompt := others[:0]
	for _, node := range others {
		if s := g.slow[node]; s == nil || time.Since(s.since) < hungAfter {
			prompt = append(prompt, node)
		}
	}
	return prompt
}

// notify tells a node of a change and waits until it has seen it.
func (g *peering) notify(n *notice, msg []byte, seen chan<- struct{}) {
	ctx, cancel := context.WithTimeout(g.ctx, slowWait)
	defer cancel()
	if _, err := g.tell(ctx, n.node, "", msg); err != nil {
		g.p.cfg.Log.Debug("node has not seen a change", "node", n.node, "error", err)
	}
	g.mu.Lock()
	n.over = true
	if s := g.slow[n.node]; s != nil {
		s.since = time.Now()
		if n.late {
			s.open--
		}
		if s.open == 0 {
			delete(g.slow, n.node)
		}
	}
	g.mu.Unlock()
	seen <- struct{}{} // has room for every node
}

// overdue notes which nodes are slow.
func (g *peering) overdue(open []*notice) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range open {
		if !n.over {
			n.late = true
			s := g.slow[n.node]
			if s == nil {
				s = &slowness{since: time.Now()}
				g.slow[n.node] = s
			}
			s.open++
		}
	}
}
