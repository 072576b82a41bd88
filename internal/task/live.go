// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Bounds of what one task may ask.
const (
	maxQuestions     = 1000    // over its lifetime
	maxQuestionBytes = 1 << 20 // of params at a time, as they are kept with the task
)

// live is a task that runs here. It is the rpc.Client of its work.
//
// What others see of it is what the store has accepted, so that nothing anybody
// was told of is lost with this node.
type live struct {
	id      string
	expires time.Time
	set     *Set
	spec    Spec
	cancel  context.CancelCauseFunc

	mu       sync.Mutex
	task     Task
	waiting  map[string]*question // by key; those of task.Questions
	used     map[string]struct{}  // every key there ever was
	shown    Task                 // what the store and the hooks have seen
	changed  chan struct{}        // closed when shown changes
	flushing chan struct{}        // closed when the flush that runs has ended; nil when none does
	ended    bool                 // the work has returned, or is not begun
	moved    bool                 // another node runs the task: nothing of it is said here any more
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
	for wire != nil && lostElsewhere(wire) {
		if d = l.anew(); d == nil {
			break
		}
		res, wire = l.attempt(ctx, d)
	}
	if wire != nil && l.handedOver(ctx) {
		return
	}
	switch {
	case wire != nil:
		l.finish(Failed, rpc.Result{}, wire, "")
	default:
		l.finish(Completed, res, nil, "")
	}
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	_ = l.persist(l.set.base) // fails with the Set only; other nodes then take over
}

// handedOver reports whether the work was stopped with the Set and others are to
// begin it again: the task stays as it is, for them to find.
func (l *live) handedOver(ctx context.Context) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Is(context.Cause(ctx), ErrClosed) && l.set.hopeless(&l.task) == nil
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
	if n := len(res.Body); n > l.set.cfg.MaxResult {
		return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeInternal, "the result has %d bytes, of a task at most %d are kept", n, l.set.cfg.MaxResult)
	}
	if res.Body == nil {
		res.Body = rpc.Raw("{}")
	}
	return res, nil
}

// internal logs what happened under a reference, which is all the client sees.
func (l *live) internal(msg string, args ...any) *jsonrpc.Error {
	ref := rpc.Reference()
	l.set.cfg.Log.Error(msg, append(args, "ref", ref, "method", l.spec.Method, "target", display.Short(l.spec.Target))...)
	return jsonrpc.Errorf(jsonrpc.CodeInternal, "internal error (reference %s)", ref)
}

// snapshot returns the task as the store knows it.
func (l *live) snapshot() Task {
	l.mu.Lock()
	defer l.mu.Unlock()
	return clone(l.shown)
}

func clone(t Task) Task {
	t.Questions = maps.Clone(t.Questions)
	return t
}

// watch returns the task and a channel that is closed at its next change.
func (l *live) watch() (Task, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return clone(l.shown), l.changed
}

// await waits as [Set.Wait] does, while the task runs here.
func (l *live) await(ctx context.Context, after uint64) (Task, error) {
	for {
		t, changed := l.watch()
		switch {
		case !time.Now().Before(l.expires):
			return Task{}, ErrUnknown
		case l.gone():
			return Task{}, errMoved
		case t.Status.Terminal(), t.Status == InputRequired && t.Revision > after:
			return t, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Task{}, context.Cause(ctx)
		}
	}
}

// finish moves the task into a final state, unless it is in one, and reports
// whether it did. The caller flushes.
func (l *live) finish(s Status, res rpc.Result, wire *jsonrpc.Error, message string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.moved || l.task.Status.Terminal() {
		return false
	}
	if message == "" { // what was said of a restart stays
		message = l.task.Message
	}
	l.task.Status, l.task.Result, l.task.Err, l.task.Message = s, res, wire, message
	l.task.Questions, l.task.Call, l.waiting = nil, nil, nil
	l.touch()
	return true
}

// cancelled ends the task as cancelled, and its work, and reports whether it did.
func (l *live) cancelled() (Task, bool, error) {
	changed := l.finish(Cancelled, rpc.Result{}, nil, "cancelled by the client")
	if changed {
		l.cancel(ErrCancelled)
	}
	err := l.flush()
	return l.snapshot(), changed, err
}

// Notify implements [rpc.Client].
func (l *live) Notify(ctx context.Context, method string, params rpc.Raw) error {
	l.mu.Lock()
	over := l.task.Status.Terminal()
	l.mu.Unlock()
	if l.spec.Notify == nil || over {
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
	if err := l.persist(ctx); err != nil {
		l.withdraw(keys)
		return nil, err
	}
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
	switch {
	case l.moved:
		return nil, nil, ErrLost
	case l.task.Status.Terminal():
		return nil, nil, ErrCancelled
	}
	if len(l.used)+len(requests) > maxQuestions {
		return nil, nil, jsonrpc.Errorf(jsonrpc.CodeInternal, "a task asked more than %d questions", maxQuestions)
	}
	size := 0
	for _, asked := range []map[string]rpc.InputRequest{l.task.Questions, requests} {
		for key, r := range asked {
			size += len(key) + len(r.Params)
		}
	}
	if size > maxQuestionBytes {
		return nil, nil, jsonrpc.Errorf(jsonrpc.CodeInternal, "the questions of a task have %d bytes, at most %d are kept", size, maxQuestionBytes)
	}
	if l.waiting == nil {
		l.waiting, l.task.Questions = map[string]*question{}, map[string]rpc.InputRequest{}
	}
	keys := make([]string, 0, len(requests))
	for name, r := range requests {
		key := l.freshKey(name)
		l.used[key] = struct{}{}
		l.waiting[key] = &question{ask: a, name: name}
		l.task.Questions[key] = r
		keys = append(keys, key)
	}
	l.touch()
	return a, keys, nil
}

// freshKey returns a key the task never had. l.mu is held.
func (l *live) freshKey(name string) string {
	if l.task.Restarts > 0 { // what was asked before is not all known here, and answers to it may be on the way
		name += "-r" + strconv.Itoa(l.task.Restarts)
	}
	key := name
	for n := 2; ; n++ {
		if _, taken := l.used[key]; !taken {
			return key
		}
		key = name + "-" + strconv.Itoa(n)
	}
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
	_ = l.flush() // it says so in the log; a sweep tries again
}

// answer hands answers, or one refusal, to the asks that wait for them. When it
// fails they have been handed over all the same.
func (l *live) answer(responses map[string]rpc.Raw, refusal *jsonrpc.Error) (Task, error) {
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
	l.mu.Unlock()
	err := l.flush()
	return l.snapshot(), err
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

// claimQuestions hands out the questions nobody has claimed.
func (l *live) claimQuestions() (map[string]rpc.InputRequest, func()) {
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
	_ = l.flush() // it says so in the log; a sweep tries again
}
