// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"sync"
)

// group owns the goroutines of one Client: each gets the group's context, and
// close cancels it and waits for all of them.
type group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

// newGroup keeps ctx's values but not its end: the client outlives Connect.
func newGroup(ctx context.Context) *group {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	return &group{ctx: ctx, cancel: cancel}
}

// start runs f on a goroutine of the group; it reports false, without running
// f, once the group is closed.
func (g *group) start(f func(ctx context.Context)) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.wg.Add(1)
	go func() {
		defer g.wg.Done()
		f(g.ctx)
	}()
	return true
}

// end cancels the group's context and refuses further goroutines.
func (g *group) end(cause error) {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.cancel(cause)
}

// wait returns when all goroutines have ended.
func (g *group) wait() { g.wg.Wait() }

// bind returns a context that also ends with the group.
func (g *group) bind(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(g.ctx, func() { cancel(context.Cause(g.ctx)) })
	return ctx, func(cause error) {
		stop()
		cancel(cause)
	}
}
