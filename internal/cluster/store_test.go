// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/session/sessiontest"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/internal/task/tasktest"
)

// The contracts of the stores, on one node, on three, and over a bad network.

func TestSessionStoreAlone(t *testing.T) {
	c := openAlone(t, t.TempDir())
	sessiontest.RunReal(t, func(*testing.T) session.Store { return c.Sessions() })
}

func TestSessionStoreThree(t *testing.T) {
	nodes := three(t)
	for i := range nodes {
		sessiontest.RunReal(t, func(*testing.T) session.Store { return nodes[i].Sessions() })
	}
}

func TestSessionStoreOverBadNetwork(t *testing.T) {
	c := three(t)[0]
	sessiontest.RunReal(t, func(t *testing.T) session.Store { return badSessions(t, c) })
}

// badSessions is a store of its own, as another node's, whose messages to the
// leader get lost, late and twice.
func badSessions(t *testing.T, c *Cluster) *Sessions {
	t.Helper()
	return sessionsOver(t, c, 1000, func(a asker) asker { return newBadNetwork(t, a) })
}

// sessionsOver is a store of its own, as another node's, whose way to the leader
// may be another.
func sessionsOver(t *testing.T, c *Cluster, cached int, way func(asker) asker) *Sessions {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	j := c.newJournal(session.NewID().String())
	j.done, j.asker = ctx.Done(), way(j.asker)
	s := newSessions(j, recordLimits{records: 1 << 20, bytes: 1 << 30, cached: cached, cachedBytes: 1 << 30})
	if err := j.start(ctx); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { j.work(ctx, func(err error) { t.Log(err) }) })
	t.Cleanup(func() {
		_ = j.sub.Unsubscribe()
		cancel()
		wg.Wait()
	})
	return s
}

func newTaskStore(t *testing.T, nodes int) func(t *testing.T) task.Store {
	return func(t *testing.T) task.Store {
		if nodes == 1 {
			return openAlone(t, t.TempDir()).Tasks()
		}
		return freshTasks(t, three(t)[0])
	}
}

// freshTasks is an empty store over a part of c's table.
func freshTasks(t *testing.T, c *Cluster) *Tasks {
	t.Helper()
	table := *c.tasks.kv
	table.prefix += session.NewID().String() + "."
	table.tell = nil
	return newTasks(&table)
}

func TestTaskStoreAlone(t *testing.T) { tasktest.Run(t, newTaskStore(t, 1)) }
func TestTaskStoreThree(t *testing.T) { tasktest.Run(t, newTaskStore(t, 3)) }

func TestTaskStoreOverBadNetwork(t *testing.T) {
	c := three(t)[1]
	tasktest.Run(t, func(t *testing.T) task.Store {
		s := freshTasks(t, c)
		s.kv.asker = newBadNetwork(t, s.kv.asker)
		return s
	})
}

// badNetwork loses requests, loses answers, delays them and sends requests twice.
type badNetwork struct {
	asker
	count atomic.Int64
	seed  uint64
}

func newBadNetwork(t *testing.T, a asker) *badNetwork {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return &badNetwork{asker: a, seed: seed}
}

func (n *badNetwork) ask(ctx context.Context, msg *nats.Msg) (*nats.Msg, error) {
	r := rand.New(rand.NewPCG(n.seed, uint64(n.count.Add(1))))
	switch r.IntN(8) {
	case 0: // the request is lost
		return nil, context.DeadlineExceeded
	case 1: // its answer is
		_, _ = n.asker.ask(ctx, msg)
		return nil, context.DeadlineExceeded
	case 2: // it arrives twice
		_, _ = n.asker.ask(ctx, msg)
	case 3: // it is late
		<-time.After(5 * time.Millisecond)
	}
	return n.asker.ask(ctx, msg)
}

// TestManyWritersOverBadNetwork changes sessions from many sides at once, so that
// their writes come in frames together, and holds that no acknowledged change is lost.
func TestManyWritersOverBadNetwork(t *testing.T) {
	nodes := three(t)
	const sessions, changes = 40, 8
	var ids []session.ID
	for range sessions {
		ids = append(ids, session.NewID())
	}
	var wg sync.WaitGroup
	for n, c := range nodes {
		s := badSessions(t, c)
		for i, id := range ids {
			wg.Go(func() {
				for change := range changes {
					uri := fmt.Sprintf("file:///%d/%d/%d", n, i, change)
					err := errors.New("not tried")
					for err != nil && t.Context().Err() == nil {
						err = session.Update(t.Context(), s, id, time.Now().Add(time.Hour), func(r *session.Record) error { r.Subscribe(uri); return nil })
						if err != nil && !errors.Is(err, ErrNoQuorum) && !errors.Is(err, session.ErrConflict) {
							t.Errorf("change: %v", err)
							return
						}
					}
				}
			})
		}
	}
	wg.Wait()
	for _, id := range ids {
		eventually(t, 5*time.Second, func() error {
			r, err := nodes[0].Sessions().Get(t.Context(), id)
			if err == nil && len(r.Subscriptions) != len(nodes)*changes {
				err = fmt.Errorf("%d of %d changes of a session", len(r.Subscriptions), len(nodes)*changes)
			}
			return err
		})
	}
}

// TestRefusals holds how the server's refusals are told apart.
func TestRefusals(t *testing.T) {
	for code, want := range map[int]error{
		codeWrongSequence: errConflict, codeWrongSequenceConstant: errConflict, codeNoMessage: errAbsent,
		codeNoStorage: ErrStorage, codeNoMemory: ErrStorage, codeStoreFailed: ErrNoQuorum,
	} {
		if err := (&apiError{ErrCode: code}).typed(); !errors.Is(err, want) {
			t.Errorf("%d is %v, want %v", code, err, want)
		}
	}
}
