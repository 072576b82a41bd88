// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/task"
)

// TestRestartWithoutMajority: a node that cannot write runs nothing.
func TestRestartWithoutMajority(t *testing.T) {
	s := newService()
	threeOf(t, s.adapt(false), func(t *testing.T, n *trio) {
		x := startSlow(t, n.sets["a"], waiting)
		n.stores["b"].isolate(true)
		n.stores["c"].isolate(true)
		n.net.Cut("a")
		time.Sleep(5 * time.Second)
		if ran := s.ran(); len(ran) != 0 {
			t.Errorf("ran at %v", ran)
		}
		n.stores["c"].isolate(false)
		time.Sleep(time.Second)
		close(s.finish)
		end, err := n.sets["b"].Wait(t.Context(), owner, x.ID, 0)
		wantEnd(t, end, err, []string{"c"})
	})
}

// TestClaimIsGivenUp: a node that could not write while it took the home for lost
// leaves the task to it when it comes back.
func TestClaimIsGivenUp(t *testing.T) {
	s := newService()
	threeOf(t, s.adapt(false), func(t *testing.T, n *trio) {
		finish := make(chan struct{})
		x := startSlow(t, n.sets["a"], func(context.Context, rpc.Client) (rpc.Result, error) {
			<-finish
			return body(`{"by":"a"}`)
		})
		ended := make(chan task.Task, 1)
		go func() {
			end, err := n.sets["b"].Wait(t.Context(), owner, x.ID, 0)
			if err != nil {
				t.Error(err)
			}
			ended <- end
		}()
		n.stores["b"].isolate(true)
		n.stores["c"].isolate(true)
		n.net.Cut("a")
		time.Sleep(5 * time.Second)
		n.net.Heal("a")
		time.Sleep(5 * time.Second)
		n.stores["b"].isolate(false)
		n.stores["c"].isolate(false)
		time.Sleep(time.Minute)
		close(finish)
		if end := <-ended; end.Status != task.Completed || end.Restarts != 0 || string(end.Result.Body) != `{"by":"a"}` || len(s.ran()) != 0 {
			t.Errorf("%+v after runs at %v", end, s.ran())
		}
	})
}

// unheard is a store whose writes are done and say they were not.
type unheard struct {
	task.Store
	mu   sync.Mutex
	deaf bool
}

func (u *unheard) hear(on bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.deaf = !on
}

func (u *unheard) Put(ctx context.Context, t task.Task) error {
	err := u.Store.Put(ctx, t)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.deaf {
		return errQuorum
	}
	return err
}

// TestClaimUnawares: a node whose claim was stored without its knowing finds the
// task later and runs it.
func TestClaimUnawares(t *testing.T) {
	s := newService()
	deaf := &unheard{deaf: true}
	threeOf(t, func(node string, cfg *task.Config) {
		s.adapt(true)(node, cfg)
		if node == "b" {
			deaf.Store = cfg.Store
			cfg.Store = deaf
		}
	}, func(t *testing.T, n *trio) {
		s.set(func() { s.down["a"], s.down["c"], s.refuse["c"] = true, true, task.ErrNotYet })
		x := startSlow(t, n.sets["a"], waiting)
		n.net.Cut("a")
		time.Sleep(5 * time.Second)
		if kept, err := n.memory.Get(t.Context(), x.ID); err != nil || kept.Home != "b" {
			t.Fatalf("b has not claimed the task: %+v, %v", kept, err)
		}
		n.net.Heal("a") // b takes it that it need not try any more
		time.Sleep(5 * time.Second)
		deaf.hear(true)
		time.Sleep(15 * time.Second)
		close(s.finish)
		end, err := n.sets["c"].Wait(t.Context(), owner, x.ID, 0)
		wantEnd(t, end, err, []string{"b"})
	})
}
