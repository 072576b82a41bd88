// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
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

// TestKeysReplacedOnce has all nodes replace a key that is old at the same moment, and
// holds that one does, and that keeping for less than before also shortens the time of
// keys that were to open longer.
func TestKeysReplacedOnce(t *testing.T) {
	nodes, ctx := three(t), bounded(t)
	prefix := session.NewID().String() + "."
	var rings []*Keys
	for _, n := range nodes {
		table := *n.settings
		table.prefix += prefix
		table.tell = nil
		k, err := newKeys(&table, "")
		if err != nil {
			t.Fatal(err)
		}
		rings = append(rings, k)
	}
	if err := rings[0].Init(ctx, nil); err != nil {
		t.Fatal(err)
	}
	_, first, err := rings[0].read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var replaced atomic.Int32
	var wg sync.WaitGroup
	for _, k := range rings {
		for range 2 {
			wg.Go(func() {
				done, err := k.Maintain(ctx, first[0].Secret, 10, KeyLimits{Sealed: 40, Keep: time.Hour})
				if err != nil && !errors.Is(err, errConflict) {
					t.Error(err)
				}
				if done {
					replaced.Add(1)
				}
			})
		}
	}
	wg.Wait()
	_, keys, err := rings[0].read(ctx)
	if err != nil || len(keys) != 2 || replaced.Load() != 1 {
		t.Fatalf("replaced %d times: %d keys, %v", replaced.Load(), len(keys), err)
	}
	if keys[0].Sealed != 0 || keys[1].Sealed < 40 || time.Until(keys[1].Expires) < 50*time.Minute {
		t.Errorf("the ring is %+v", keys)
	}
	if err := rings[1].Refresh(ctx); err != nil || len(rings[1].All()) != 2 {
		t.Errorf("refreshed to %d keys, %v", len(rings[1].All()), err)
	}
	until, err := rings[2].Rotate(ctx, 0)
	if _, keys, _ = rings[0].read(ctx); err != nil || len(keys) != 3 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for _, k := range keys[1:] {
		if !k.Expires.Equal(until) {
			t.Errorf("a key opens until %v, want %v", k.Expires, until)
		}
	}
}
