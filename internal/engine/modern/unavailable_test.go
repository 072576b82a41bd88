// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// minority is a store of tasks that can lose its majority.
type minority struct {
	*task.Memory
	lost atomic.Bool
}

var errQuorum = errors.New("no majority")

func (s *minority) Create(ctx context.Context, t task.Task, perPrincipal, total int) error {
	if s.lost.Load() {
		return errQuorum
	}
	return s.Memory.Create(ctx, t, perPrincipal, total)
}

func (s *minority) Put(ctx context.Context, t task.Task) error {
	if s.lost.Load() {
		return errQuorum
	}
	return s.Memory.Put(ctx, t)
}

func (s *minority) Get(ctx context.Context, id string) (task.Task, error) {
	if s.lost.Load() {
		return task.Task{}, errQuorum
	}
	return s.Memory.Get(ctx, id)
}

// TestTasksUnavailable: a task that cannot be written or read at the moment is
// answered 503 with Retry-After, whatever is asked of it.
func TestTasksUnavailable(t *testing.T) {
	store := &minority{Memory: task.NewMemory()}
	bubble(t, func(t *testing.T, r *rig) {
		_, reply := r.post(callExchange("job-asks", 1, "")).got()
		result, _ := jsonrpc.Get(Raw(reply), "result")
		raw, _ := jsonrpc.Get(result, "taskId")
		id, _ := jsonrpc.Unquote(raw)
		store.lost.Store(true)
		for name, x := range map[string]*exchange{
			"start":  callExchange("job-runs", 2, ""),
			"get":    taskExchange(3, mcp.MethodGetTask, "elsewhere", ""),
			"update": taskExchange(4, mcp.MethodUpdateTask, id, `,"inputResponses":{"a":{}}`),
			"cancel": taskExchange(5, mcp.MethodCancelTask, id, ""),
		} {
			r.post(x).want(t, 503, "try again later")
			if !slices.Contains(x.out, [2]string{"Retry-After", "1"}) {
				t.Errorf("%s: no Retry-After in %v", name, x.out)
			}
		}
		store.lost.Store(false)
		defer r.cfg.Tasks.Close()
		r.post(taskExchange(6, mcp.MethodGetTask, id, "")).want(t, 200, id)
	}, func(c *Config) { c.Tasks = task.NewSet(task.Config{Store: store, Log: slog.New(slog.DiscardHandler)}) })
}
