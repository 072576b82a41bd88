// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestOneRestartWins: of the nodes that claim a task at once, while its former
// home goes on writing, one finds itself its home, and all agree.
func TestOneRestartWins(t *testing.T) {
	nodes := three(t)
	now := time.Now()
	for i := range 20 {
		first := task.Task{
			ID: rand.Text(), Owner: task.Owner{Principal: "anna", Era: mcp.Modern}, Status: task.Working,
			Created: now, Updated: now, TTL: time.Hour, Revision: 1, Home: "lost", Instance: "i", Call: &task.Call{Endpoint: "/mcp"},
		}
		if err := nodes[0].Tasks().Create(t.Context(), first, 100, 100); err != nil {
			t.Fatal(err)
		}
		var winners atomic.Int64
		var home atomic.Pointer[string]
		var wg sync.WaitGroup
		put := func(ctx context.Context, s *Tasks, x task.Task) task.Task {
			err := s.Put(ctx, x)
			for errors.Is(err, ErrNoQuorum) { // nobody knows; who has to know tries again
				err = s.Put(ctx, x)
			}
			if err != nil {
				t.Error(err)
			}
			kept, err := s.Get(ctx, x.ID)
			if err != nil {
				t.Error(err)
			}
			return kept
		}
		for n, c := range nodes {
			claim := first
			claim.Restarts, claim.Revision, claim.Home, claim.Instance = 1, 100+uint64(n), fmt.Sprint("n", n), "j"
			wg.Go(func() {
				if kept := put(t.Context(), c.Tasks(), claim); kept.Home == claim.Home {
					winners.Add(1)
					home.Store(&claim.Home)
				}
			})
		}
		wg.Go(func() {
			for revision := range uint64(5) {
				change := first
				change.Revision = 2 + revision*20
				put(t.Context(), nodes[i%len(nodes)].Tasks(), change)
			}
		})
		wg.Wait()
		if winners.Load() != 1 {
			t.Fatalf("%d nodes found themselves the home of %s", winners.Load(), first.ID)
		}
		late := first
		late.Revision, late.Status = 1000, task.Completed
		for n, c := range nodes {
			if kept := put(t.Context(), c.Tasks(), late); kept.Status.Terminal() {
				t.Errorf("%s, seen at n%d, was ended by its former home: %+v", first.ID, n, kept)
			}
		}
		v, kept, err := nodes[0].Tasks().fetch(t.Context(), first.ID)
		if err != nil || kept.Home != *home.Load() || kept.Status != task.Working {
			t.Errorf("%s is kept at %d as %+v, %v; its home is %s", first.ID, v.rev, kept, err, *home.Load())
		}
	}
}

// TestForgottenEverywhere: a task that is forgotten before its time is so at all nodes,
// and counts against nobody's share.
func TestForgottenEverywhere(t *testing.T) {
	nodes := three(t)
	now := time.Now()
	x := task.Task{
		ID: rand.Text(), Owner: task.Owner{Principal: "forgetful", Era: mcp.Modern}, Status: task.Completed,
		Created: now, Updated: now, TTL: time.Hour, Revision: 1,
	}
	if err := nodes[0].Tasks().Create(t.Context(), x, 1, 1000); err != nil {
		t.Fatal(err)
	}
	for n, c := range nodes {
		if _, err := c.Tasks().Get(t.Context(), x.ID); err != nil {
			t.Fatalf("n%d does not have the task: %v", n, err)
		}
	}
	if err := nodes[1].Tasks().Forget(t.Context(), x.ID); err != nil {
		t.Fatal(err)
	}
	for n, c := range nodes {
		for range 500 { // until the news is there
			if _, err := c.Tasks().Sweep(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			if list, _ := c.Tasks().List(t.Context(), x.Owner, task.Position{}, 1); len(list) == 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if kept, err := c.Tasks().Get(t.Context(), x.ID); !errors.Is(err, task.ErrUnknown) {
			t.Errorf("n%d still has %+v, %v", n, kept, err)
		}
	}
	next := x
	next.ID = rand.Text()
	if err := nodes[0].Tasks().Create(t.Context(), next, 1, 1000); err != nil {
		t.Errorf("no room for another: %v", err)
	}
}
