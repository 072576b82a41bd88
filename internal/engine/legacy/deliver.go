// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// What a client sends to a call, an answer or a cancellation, is acknowledged only
// when the call's process has it, when that process is known to be no more, or when
// all nodes keep the message for it. A node that is silent is not known to be gone:
// it may be stopped for a while, or merely cut off from this one.

const (
	deliverAgain = 50 * time.Millisecond // until the next attempt
	deliverWait  = 5 * time.Second       // until the client is told that its message has not arrived
	deliverOnce  = time.Second           // one attempt to reach a node
	collectAgain = time.Second           // between two looks at what is kept for this process
)

// presence is what is known of the process that an address names.
type presence int

const (
	unreachable presence = iota // it may be alive
	reachable
	gone
)

// presence returns the process that an address names, as far as it is known, and what
// has become of it.
func (g *peering) presence(address nodes.Digest) (m nodes.Member, p presence) {
	for _, other := range g.to.Members() {
		if other.Self || !address.OfNode(other.Name) {
			continue
		}
		m = other
		same := address.OfInstance(m.Instance)
		switch {
		case same && m.Left, !same && m.Reachable: // it has another process now
			return m, gone
		case same && m.Reachable:
			return m, reachable
		}
	}
	return m, unreachable
}

// forward brings a response or notification that concerns nothing here to where
// it does. The error says that it has not arrived.
func (g *peering) forward(ctx context.Context, id session.ID, in *engine.Inbound) error {
	msg := message(tellMessage, id, jsonrpc.AppendMessage(nil, &in.Message))
	ctx, cancel := context.WithTimeout(ctx, deliverWait)
	defer cancel()
	if in.Kind() == jsonrpc.Notification {
		if in.Method == mcp.NotificationCancelled {
			return g.deliverToAll(ctx, msg)
		}
		return nil
	}
	text, _ := jsonrpc.Unquote(in.ID.Raw())
	address := addressIn(text)
	if address == "" || address == g.address {
		return nil
	}
	return g.deliver(ctx, address, msg)
}

// deliver brings a message to the process of an address, or has it kept.
func (g *peering) deliver(ctx context.Context, address nodes.Digest, msg []byte) error {
	for {
		m, p := g.presence(address)
		var err error
		switch p {
		case gone:
			return nil // its calls are over with it, and their streams say so
		case reachable:
			if _, err = g.request(ctx, &m, msg); err == nil {
				return nil
			}
		}
		kept := g.keep(ctx, address, msg)
		if kept == nil {
			return nil
		}
		select {
		case <-time.After(deliverAgain):
		case <-ctx.Done():
			return fmt.Errorf("bring a message to node %q: %w", m.Name, joined(err, kept))
		}
	}
}

func joined(reached, kept error) error {
	if reached == nil {
		return kept
	}
	return fmt.Errorf("%w; %w", reached, kept)
}

// request is one attempt to reach a process.
func (g *peering) request(ctx context.Context, m *nodes.Member, msg []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, deliverOnce)
	defer cancel()
	return g.tell(ctx, m.Name, m.Instance, msg)
}

// keep leaves a message for a process that cannot be reached.
func (g *peering) keep(ctx context.Context, address nodes.Digest, msg []byte) error {
	ctx, cancel := context.WithTimeout(ctx, deliverOnce)
	defer cancel()
	if err := g.to.Keep(ctx, string(address), msg); err != nil {
		return fmt.Errorf("keep it until it can be brought: %w", err)
	}
	return nil
}

// deliverToAll brings a message to whichever node has what it is about: all are
// asked, and it is kept for those that may be alive and do not answer.
func (g *peering) deliverToAll(ctx context.Context, msg []byte) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var first error
	taken := false
	var silent []nodes.Digest
	for _, m := range g.to.Members() {
		if m.Self || m.Left {
			continue
		}
		wg.Go(func() { // this function waits for it
			var answer []byte
			err := nodes.ErrLost
			if m.Reachable {
				answer, err = g.request(ctx, &m, msg)
			}
			mu.Lock()
			defer mu.Unlock()
			taken = taken || err == nil && bytes.Equal(answer, yes)
			if err != nil {
				silent = append(silent, nodes.DigestOf(m.Name, m.Instance))
			}
		})
	}
	wg.Wait()
	if taken {
		return nil
	}
	for _, address := range silent {
		if err := g.deliver(ctx, address, msg); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// collect takes what other nodes have left for this process, again and again, as
// long as something here may wait for it.
func (g *peering) collect() {
	ticker := time.NewTicker(collectAgain)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-g.ctx.Done():
			return
		}
		if g.p.calls.Load() > 0 {
			g.collectOnce()
		}
	}
}

func (g *peering) collectOnce() {
	ctx, cancel := context.WithTimeout(g.ctx, readWait)
	defer cancel()
	messages, err := g.to.Collect(ctx, string(g.address))
	if err != nil {
		g.p.cfg.Log.Debug("messages kept for this node not read", "error", err)
		return
	}
	for number, msg := range messages {
		if _, before := g.collected[number]; before {
			continue
		}
		g.collected[number] = struct{}{}
		if _, err := g.answer(ctx, msg); err != nil {
			g.p.cfg.Log.Warn("message kept for this node not taken", "error", err)
		}
	}
	for number := range g.collected {
		if _, kept := messages[number]; !kept {
			delete(g.collected, number)
		}
	}
}
