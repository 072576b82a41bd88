// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// mutePeriod answers no write before its time.
type mutePeriod struct {
	asker
	over atomic.Int64 // Unix nanoseconds
}

func (m *mutePeriod) ask(ctx context.Context, msg *nats.Msg) (*nats.Msg, error) {
	if msg.Header.Get(headerWrite) != "" && time.Now().UnixNano() < m.over.Load() {
		_, _ = m.asker.ask(ctx, msg) // it is done, and nobody is told
		return nil, context.DeadlineExceeded
	}
	return m.asker.ask(ctx, msg)
}

// TestKeysInitTogether: nodes that start at the same moment all write the first
// ring. One that does not hear what came of its write ends up with the others' key.
func TestKeysInitTogether(t *testing.T) {
	nodes, ctx := three(t), bounded(t)
	prefix := session.NewID().String() + "."
	rings := make([]*Keys, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		table := *n.settings
		table.prefix += prefix
		table.tell, table.limit, table.health = nil, 200*time.Millisecond, &health{}
		m := &mutePeriod{asker: table.asker}
		m.over.Store(time.Now().Add(500 * time.Millisecond).UnixNano())
		table.asker = m
		var err error
		if rings[i], err = newKeys(&table, ""); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := rings[i].Init(ctx, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	secrets := map[string]bool{}
	for _, k := range rings {
		_, keys, err := k.read(ctx)
		if err != nil || len(keys) != 1 {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		secrets[string(keys[0].Secret)] = true
	}
	if len(secrets) != 1 {
		t.Errorf("%d different keys", len(secrets))
	}
}
