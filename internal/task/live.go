// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// maxQuestions bounds what one task may have asked over its lifetime.
const maxQuestions = 1000

// live is a task that runs here. It is the rpc.Client of its work.
type live struct {
	set    *Set
	spec   Spec
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	task    Task
	waiting map[string]*question // by key; those of task.Questions
	used    map[string]struct{}  // every key there ever was
	changed chan struct{}        // closed at the next change

	flushing bool
	flushed  uint64 // revision the store and the hook have seen
	ended    bool   // the work has returned
}

// question is one key waiting for its answer, as part of an ask.
type question struct {
	ask     *ask
	name    string // the key the work uses
	claimed bool
}

// ask is one blocking Ask of the work.
type ask struct {
	answers map[string]rpc.Raw
	missing int
	err     *jsonrpc.Error
	done    chan struct{} // closed when nothing is missing, or err is set
}

var _ rpc.Client = (*live)(nil)

// run runs the work to its end.
func (l *live) run(ctx context.Context, d *rpc.Deferred) {
	defer l.cancel(nil)
	res, wire := l.attempt(ctx, d)
	switch {
	case wire != nil:
		l.finish(Failed, rpc.Result{}, wire, "")
	default:
		l.finish(Completed, res, nil, "")
	}
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.flush()
}

// attempt calls the work and turns what can go wrong into a wire error.
func (l *live) attempt(ctx context.Context, d *rpc.Deferred) (res rpc.Result, wire *jsonrpc.Error) {
	defer func() {
		if p := recover(); p != nil {
			wire = l.internal("task panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	res, err := d.Run(ctx, l)
	if err != nil {
		if wire, ok := jsonrpc.AsError(err); ok {
			return rpc.Result{}, wire
		}
		if ctx.Err() != nil {
			return rpc.Result{}, jsonrpc.NewError(jsonrpc.CodeInternal, "the task was stopped before its end")
		}
		return rpc.Result{}, l.internal("task failed", "error", err)
	}
	if res.Input != nil || res.Deferred != nil {
		return rpc.Result{}, l.internal("task returned something else than a body")
	}
	if res.Body == nil {
		res.Body = rpc.Raw("{}")
	}
	return res, nil
}

// internal logs what happened under a reference, which is all the client sees.
func (l *live) internal(msg string, args ...any) *jsonrpc.Error {
	ref := rand.Text()[:10]
	l.set.cfg.Log.Error(msg, append(args, "ref", ref, "method", l.spec.Method, "target", l.spec.Target)...)
	return jsonrpc.Errorf(jsonrpc.CodeInternal, "internal error (reference %s)", ref)
}

// snapshot returns the task as it is now.
func (l *live) snapshot() Task {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.copy()
}

// copy returns a snapshot. l.mu is held.
func (l *live) copy() Task {
	t := l.task
	t.Questions = maps.Clone(l.task.Questions)
	return t
}

// watch returns the task and a channel that is closed at its next change.
func (l *live) watch() (Task, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.copy(), l.changed
}

// touch marks a change. l.mu is held; the caller flushes after unlocking.
func (l *live) touch() {
	l.task.Revision++
	l.task.Updated = time.Now()
	if len(l.waiting) > 0 {
		l.task.Status = InputRequired
	} else if !l.task.Status.Terminal() {
		l.task.Status = Working
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// flush brings the store and the hook up to date. One goroutine does it at a
// time, for all: who comes meanwhile leaves its change to that one.
func (l *live) flush() {
	l.mu.Lock()
	if l.flushing {
		l.mu.Unlock()
		return
	}
	l.flushing = true
	for l.flushed < l.task.Revision {
		t := l.copy()
		l.flushed = t.Revision
		l.mu.Unlock()
		if err := l.set.cfg.Store.Put(context.Background(), t); err != nil {
			l.set.cfg.Log.Error("task state not stored", "error", err)
		}
		if hook := l.set.hooks[t.Owner.Era]; hook != nil {
			hook(t)
		}
		l.mu.Lock()
	}
	l.flushing = false
	ended := l.ended
	l.mu.Unlock()
	if ended { // from here on the store's snapshot is the last
		l.set.mu.Lock()
		delete(l.set.live, l.task.ID)
		l.set.mu.Unlock()
	}
}

// finish moves the task into a final state, unless it is in one, and reports
// whether it did.
func (l *live) finish(s Status, res rpc.Result, wire *jsonrpc.Error, message string) (Task, bool) {
	l.mu.Lock()
	if l.task.Status.Terminal() {
		defer l.mu.Unlock()
		return l.copy(), false
	}
	l.task.Status, l.task.Result, l.task.Err, l.task.Message = s, res, wire, message
	l.task.Questions, l.waiting = nil, nil
	l.touch()
	t := l.copy()
	l.mu.Unlock()
	l.flush()
	return t, true
}

// Notify implements [rpc.Client].
func (l *live) Notify(ctx context.Context, method string, params rpc.Raw) error {
	if l.spec.Notify == nil || l.snapshot().Status.Terminal() {
		return nil
	}
	return l.spec.Notify(ctx, method, params)
}

// Ask implements [rpc.Client]: the questions become part of the task, which
// requires input until they are answered.
func (l *live) Ask(ctx context.Context, requests map[string]rpc.InputRequest) (map[string]rpc.Raw, error) {
	for _, key := range slices.Sorted(maps.Keys(requests)) {
		r := requests[key]
		if missing, ok := l.spec.Peer.Capabilities.MissingFor(r.Method, r.Params); ok {
			return nil, missing
		}
	}
	a, keys, err := l.pose(requests)
	if err != nil {
		return nil, err
	}
	l.flush()
	select {
	case <-a.done:
	case <-ctx.Done():
		l.withdraw(keys)
		return nil, context.Cause(ctx)
	}
	if a.err != nil {
		l.withdraw(keys)
		return nil, a.err
	}
	return a.answers, nil
}

// pose enters the questions into the task under keys it never had before.
func (l *live) pose(requests map[string]rpc.InputRequest) (*ask, []string, error) {
	a := &ask{answers: make(map[string]rpc.Raw, len(requests)), missing: len(requests), done: make(chan struct{})}
	if len(requests) == 0 {
		close(a.done)
		return a, nil, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.task.Status.Terminal() {
		return nil, nil, ErrCancelled
	}
	if len(l.used)+len(requests) > maxQuestions {
		return nil, nil, jsonrpc.Errorf(jsonrpc.CodeInternal, "a task asked more than %d questions", maxQuestions)
	}
	if l.waiting == nil {
		l.waiting, l.task.Questions = map[string]*question{}, map[string]rpc.InputRequest{}
	}
	keys := make([]string, 0, len(requests))
	for name, r := range requests {
		key := name
		for n := 2; ; n++ {
			if _, taken := l.used[key]; !taken {
				break
			}
			key = name + "-" + strconv.Itoa(n)
		}
		l.used[key] = struct{}{}
		l.waiting[key] = &question{ask: a, name: name}
		l.task.Questions[key] = r
		keys = append(keys, key)
	}
	l.touch()
	return a, keys, nil
}

// withdraw removes questions whose asker no longer waits.
func (l *live) withdraw(keys []string) {
	l.mu.Lock()
	changed := false
	for _, key := range keys {
		if _, ok := l.waiting[key]; ok {
			delete(l.waiting, key)
			delete(l.task.Questions, key)
			changed = true
		}
	}
	if changed {
		l.touch()
	}
	l.mu.Unlock()
	l.flush()
}

// answer hands answers, or one refusal, to the asks that wait for them.
func (l *live) answer(responses map[string]rpc.Raw, refusal *jsonrpc.Error) Task {
	l.mu.Lock()
	changed := false
	for key, response := range responses {
		q, ok := l.waiting[key]
		if !ok {
			continue
		}
		delete(l.waiting, key)
		delete(l.task.Questions, key)
		changed = true
		q.take(response, refusal)
	}
	if changed {
		l.touch()
	}
	t := l.copy()
	l.mu.Unlock()
	l.flush()
	return t
}

// take records the answer to q. live.mu is held.
func (q *question) take(response rpc.Raw, refusal *jsonrpc.Error) {
	if q.ask.err != nil {
		return
	}
	q.ask.missing--
	switch {
	case refusal != nil:
		q.ask.err = refusal
		close(q.ask.done)
	default:
		q.ask.answers[q.name] = append(rpc.Raw(nil), response...)
		if q.ask.missing == 0 {
			close(q.ask.done)
		}
	}
}

// claim hands out the questions nobody has claimed.
func (l *live) claim() (map[string]rpc.InputRequest, func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	questions, mine := map[string]rpc.InputRequest{}, map[string]*question{}
	for key, q := range l.waiting {
		if !q.claimed {
			q.claimed = true
			questions[key], mine[key] = l.task.Questions[key], q
		}
	}
	return questions, func() { l.release(mine) }
}

// release gives back what was claimed and is still unanswered, and wakes those
// who wait so that one of them can claim it.
func (l *live) release(mine map[string]*question) {
	l.mu.Lock()
	changed := false
	for key, q := range mine {
		if l.waiting[key] == q && q.claimed {
			q.claimed, changed = false, true
		}
	}
	clear(mine)
	if changed {
		l.touch()
	}
	l.mu.Unlock()
	l.flush()
}
