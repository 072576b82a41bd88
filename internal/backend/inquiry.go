// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Bounds of the questions of one task.
const (
	maxOpen  = 64   // with the client at a time
	maxAsked = 1000 // over its life
)

// inquiry takes the questions of a modern server's task to the client, and each
// answer back as soon as it is there, on one goroutine per question. They end
// with their contexts; wait waits for them.
type inquiry struct {
	f    *follower
	to   rpc.Client
	wg   sync.WaitGroup
	wake chan struct{} // something was answered

	mu    sync.Mutex
	asked map[string]bool // keys, which are unique over a task's life
	open  int
	err   error // why the task cannot get its answers
}

func newInquiry(f *follower, to rpc.Client) *inquiry {
	return &inquiry{f: f, to: to, wake: make(chan struct{}, 1), asked: map[string]bool{}}
}

// pose asks what has not been asked yet.
func (q *inquiry) pose(ctx context.Context, requests map[string]mcp.InputRequest) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for key, request := range requests {
		if q.asked[key] || q.open == maxOpen {
			continue
		}
		if len(q.asked) >= maxAsked {
			q.err = cmp.Or(q.err, error(jsonrpc.Errorf(jsonrpc.CodeInternal, "the server's task asked more than %d questions", maxAsked)))
			return
		}
		q.asked[key] = true
		q.open++
		q.wg.Go(func() { q.settle(q.ask(ctx, key, rpc.InputRequest(request))) })
	}
}

// ask asks one question and brings the answer to the server.
func (q *inquiry) ask(ctx context.Context, key string, request rpc.InputRequest) error {
	answers, err := q.to.Ask(ctx, map[string]rpc.InputRequest{key: request})
	if err != nil {
		return err
	}
	responses, err := json.Marshal(map[string]Raw{key: answers[key]})
	if err != nil {
		return err
	}
	_, err = q.f.send(ctx, mcp.MethodUpdateTask, jsonrpc.Set(q.f.params(), "inputResponses", responses))
	return err
}

func (q *inquiry) settle(err error) {
	q.mu.Lock()
	q.open--
	if q.err == nil && !errors.Is(err, context.Canceled) {
		q.err = err
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// failure returns why a question could not be answered. Without its answer the
// task would wait for ever.
func (q *inquiry) failure() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// wait waits for the goroutines, whose context has ended.
func (q *inquiry) wait() { q.wg.Wait() }
