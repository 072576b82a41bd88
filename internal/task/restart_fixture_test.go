// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// service is the handler of all nodes: what it does when a task's call is made again.
type service struct {
	work run // nil: it waits for finish, then says where it ran

	mu     sync.Mutex
	finish chan struct{}
	asked  []string // nodes that looked for the handler
	calls  []*rpc.Call
	nodes  []string // that ran it
	refuse map[string]error
	down   map[string]bool // not members at the moment
}

func newService() *service {
	return &service{refuse: map[string]error{}, down: map[string]bool{}}
}

// adapt lets a node restart tasks. Without members all nodes try at once.
func (s *service) adapt(members bool) func(string, *task.Config) {
	return func(node string, cfg *task.Config) {
		if s.finish == nil { // within the bubble
			s.finish = make(chan struct{})
		}
		cfg.Handler = func(endpoint string) (rpc.Handler, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.asked = append(s.asked, node)
			if err := s.refuse[node]; err != nil {
				return nil, err
			}
			if endpoint != "/mcp" {
				return nil, errors.New("its endpoint is not served")
			}
			return s.handler(node), nil
		}
		if members {
			cfg.Members = s.members
		}
	}
}

func (s *service) members() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var up []string
	for _, node := range []string{"a", "b", "c"} {
		if !s.down[node] {
			up = append(up, node)
		}
	}
	return up
}

func (s *service) handler(node string) rpc.Handler {
	return rpc.HandlerFunc(func(_ context.Context, call *rpc.Call) (rpc.Result, error) {
		s.mu.Lock()
		s.calls, s.nodes = append(s.calls, call), append(s.nodes, node)
		s.mu.Unlock()
		return rpc.Result{Deferred: &rpc.Deferred{Run: func(ctx context.Context, c rpc.Client) (rpc.Result, error) {
			if s.work != nil {
				return s.work(ctx, c)
			}
			select {
			case <-s.finish:
				return body(fmt.Sprintf(`{"by":%q}`, node))
			case <-ctx.Done():
				return rpc.Result{}, context.Cause(ctx)
			}
		}}}, nil
	})
}

func (s *service) ran() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.nodes...)
}

func (s *service) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

var slowParams = rpc.Raw(`{"name":"slow","arguments":{"n":1},"_meta":{"progressToken":1}}`)

// startSlow starts a task that may be restarted.
func startSlow(t *testing.T, s *task.Set, f run, change ...func(*task.Spec)) task.Task {
	t.Helper()
	peer := *client
	peer.Features, peer.Client = mcp.Latest.Features(), mcp.Implementation{Name: "shell", Version: "2"}
	spec := task.Spec{Method: mcp.MethodCallTool, Target: "slow", Peer: &peer, Endpoint: "/mcp", Call: &rpc.Call{
		Method: mcp.MethodCallTool, Target: "slow", Params: slowParams, Peer: &peer, Principal: &rpc.Principal{ID: "anna", Tenant: "acme"},
		LogLevel: "error", AllowTask: true, Task: &rpc.TaskRequest{TTL: time.Minute},
	}}
	for _, c := range change {
		c(&spec)
	}
	x, err := s.Start(t.Context(), owner, spec, &rpc.Deferred{Run: f, Repeatable: true})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func wantEnd(t *testing.T, x task.Task, err error, ran []string) {
	t.Helper()
	if err != nil || x.Status != task.Completed || len(ran) == 0 || string(x.Result.Body) != fmt.Sprintf(`{"by":%q}`, ran[len(ran)-1]) {
		t.Errorf("task %+v, %v; want the result of the last of the runs at %v", x, err, ran)
	}
	if !strings.Contains(x.Message, "restarted") || x.Call != nil {
		t.Errorf("message %q, call %v of a task that was restarted and has ended", x.Message, x.Call)
	}
}
