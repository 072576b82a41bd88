// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/peer"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Config configures a Set. Zero fields mean the defaults.
type Config struct {
	Store        Store         // default: a new [Memory]
	PerPrincipal int           // tasks kept per principal, finished ones included; default 1000
	Total        int           // tasks kept in all; default 10000
	TTL          time.Duration // when the work names none; default 1 hour
	MaxTTL       time.Duration // default 24 hours
	Poll         time.Duration // when the work names none; default 1 second
	Sweep        time.Duration // between sweeps; default 10 seconds
	Log          *slog.Logger  // default: discard
	// Peers are the other nodes with which Store is shared. A Set then serves the
	// streams of kind "task". Nil means that nobody else knows the Store, nor did
	// before.
	Peers peer.Peers
}

func (c Config) withDefaults() Config {
	if c.Store == nil {
		c.Store = NewMemory()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.PerPrincipal = cmp.Or(c.PerPrincipal, 1000)
	c.Total = cmp.Or(c.Total, 10_000)
	c.TTL = cmp.Or(c.TTL, time.Hour)
	c.MaxTTL = cmp.Or(c.MaxTTL, 24*time.Hour)
	c.Poll = cmp.Or(c.Poll, time.Second)
	c.Sweep = cmp.Or(c.Sweep, 10*time.Second)
	return c
}

// Set runs and keeps tasks. It is safe for concurrent use.
//
// With other nodes, all over one Store, a task runs at its home and can be
// reached through any Set: what is asked of a task that runs elsewhere is asked
// of its home. A task whose home is lost fails, once, by the first to notice.
//
// It owns one goroutine per running task and the sweeper; Close stops them all
// and waits.
type Set struct {
	cfg Config

	stop   context.CancelFunc // ends the sweeper and every task
	base   context.Context
	wg     sync.WaitGroup
	unwire func() // stops serving other nodes

	mu     sync.Mutex
	closed bool
	live   map[string]*live              // running here
	hooks  [mcp.Modern + 1][]*func(Task) // by era; replaced, never changed
}

// NewSet returns a Set and starts its sweeper.
func NewSet(cfg Config) *Set {
	s := &Set{cfg: cfg.withDefaults(), live: map[string]*live{}, unwire: func() {}}
	s.base, s.stop = context.WithCancel(context.Background())
	if s.cfg.Peers != nil {
		s.unwire = s.cfg.Peers.Serve(kindTask, s.accept)
	}
	s.wg.Go(s.sweep)
	return s
}

// Watch adds a function that is told of changes of tasks of the given era, by the
// latest snapshot; several quick changes may be told as one. Tasks that run here
// and whose Spec says whom to tell are not told to it. It is called without locks
// held and one at a time per task, and must not block. stop ends it; a call that
// is under way may still come.
func (s *Set) Watch(era mcp.Era, hook func(Task)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks[era] = append(slices.Clone(s.hooks[era]), &hook)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hooks[era] = slices.DeleteFunc(slices.Clone(s.hooks[era]), func(h *func(Task)) bool { return h == &hook })
	}
}

// tell tells the hook of t, or without one all of its era.
func (s *Set) tell(t Task, hook func(Task)) {
	if hook != nil {
		hook(t)
		return
	}
	s.mu.Lock()
	hooks := s.hooks[t.Owner.Era]
	s.mu.Unlock()
	for _, hook := range hooks {
		(*hook)(t)
	}
}

// Spec describes the call that a task continues.
type Spec struct {
	Method string
	Target string
	// Peer is whose declared capabilities decide what may be asked.
	Peer *rpc.Peer
	// TTL is the client's wish for how long the task is kept, 0 for none. It is
	// bounded by the Set.
	TTL time.Duration
	// Notify receives the notifications of the work, such as progress. Nil drops
	// them. It must not block for long.
	Notify func(ctx context.Context, method string, params rpc.Raw) error
	// Changed is told of changes, as and instead of those that Watch added. Nil
	// leaves it to them.
	Changed func(Task)
}

// Start creates a task and runs d on a goroutine of its own. When it returns,
// the task is kept: Get works at once. It fails with [ErrFull], [ErrClosed] or
// the store's error; then nothing runs. ctx gives the work its values, and
// bounds the creation, but does not end the work.
func (s *Set) Start(ctx context.Context, owner Owner, spec Spec, d *rpc.Deferred) (Task, error) {
	now := time.Now()
	t := Task{
		ID: rand.Text(), Owner: owner, Method: spec.Method, Target: spec.Target, Status: Working,
		Created: now, Updated: now, Revision: 1,
		TTL:  min(cmp.Or(spec.TTL, d.TTL, s.cfg.TTL), s.cfg.MaxTTL),
		Poll: cmp.Or(d.Poll, s.cfg.Poll),
	}
	if s.cfg.Peers != nil {
		t.Home, t.Instance = s.cfg.Peers.Self()
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return Task{}, ErrClosed
	}
	s.wg.Add(1) // under the lock, so that Close waits for it
	s.mu.Unlock()
	if err := s.cfg.Store.Create(ctx, t, s.cfg.PerPrincipal, s.cfg.Total); err != nil {
		s.wg.Done()
		if errors.Is(err, ErrFull) {
			return Task{}, err
		}
		return Task{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	run, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	l := &live{
		id: t.ID, expires: t.Expires(), set: s, spec: spec, cancel: cancel, task: t, shown: t,
		changed: make(chan struct{}), used: map[string]struct{}{},
	}
	s.mu.Lock()
	s.live[t.ID] = l
	s.mu.Unlock()
	stop := context.AfterFunc(s.base, func() { cancel(ErrClosed) })
	go func() {
		defer s.wg.Done()
		defer stop()
		l.run(run, d)
	}()
	return t, nil
}

// find returns the running task, or the kept snapshot when it does not run here.
func (s *Set) find(ctx context.Context, owner Owner, id string) (*live, Task, error) {
	s.mu.Lock()
	l := s.live[id]
	s.mu.Unlock()
	var t Task
	var err error
	if l != nil {
		l.check(ctx)
		t = l.snapshot()
	} else if t, err = s.cfg.Store.Get(ctx, id); err != nil {
		return nil, Task{}, err
	}
	if !owner.allows(t.Owner) || !time.Now().Before(t.Expires()) {
		return nil, Task{}, ErrUnknown
	}
	return l, t, nil
}

// Get returns a task, or [ErrUnknown]. Of a task that runs at another node it
// asks that one, and returns what is stored if there is no answer in time.
func (s *Set) Get(ctx context.Context, owner Owner, id string) (Task, error) {
	_, t, err := s.find(ctx, owner, id)
	if err != nil || !s.elsewhere(&t) {
		return t, err
	}
	limited, cancel := context.WithTimeout(ctx, askHome)
	defer cancel()
	if now, _, _, err := s.ask(limited, t, request{Op: opGet, Owner: owner, ID: id}, false); err == nil || errors.Is(err, ErrUnknown) {
		return now, err
	}
	_, t, err = s.find(ctx, owner, id)
	return t, err
}

// List returns a page of at most limit of the owner's tasks, oldest first, and
// the cursor of the next page, "" at the end. The first page has the cursor "".
// It fails with [ErrCursor] for a cursor it did not return.
func (s *Set) List(ctx context.Context, owner Owner, cursor string, limit int) ([]Task, string, error) {
	var after Position
	if cursor != "" {
		var err error
		if after, err = parseCursor(cursor); err != nil {
			return nil, "", err
		}
	}
	list, err := s.cfg.Store.List(ctx, owner, after, limit+1)
	if err != nil {
		return nil, "", err
	}
	next := ""
	if len(list) > limit {
		list = list[:limit]
		next = positionOf(&list[limit-1]).cursor()
	}
	for i := range list { // what runs here is ahead of what is kept
		s.mu.Lock()
		l := s.live[list[i].ID]
		s.mu.Unlock()
		if l != nil {
			list[i] = l.snapshot()
		}
	}
	return list, next, nil
}

// Cancel ends a task as cancelled and cancels its work with [ErrCancelled]. It
// does not wait for the work to stop. A task in a final state stays as it is.
// It returns the task afterwards and whether this call cancelled it.
func (s *Set) Cancel(ctx context.Context, owner Owner, id string) (Task, bool, error) {
	l, t, err := s.find(ctx, owner, id)
	switch {
	case err != nil:
		return t, false, err
	case l != nil:
		return l.cancelled()
	case s.elsewhere(&t):
		t, r, _, err := s.ask(ctx, t, request{Op: opCancel, Owner: owner, ID: id}, false)
		return t, r.Changed, err
	}
	return t, false, nil
}

// Answer gives the task answers to its questions, which are bare results by
// key. Keys that are not waiting for an answer are ignored. The answers may be
// partial; when Answer returns, the answered questions are gone from the task.
func (s *Set) Answer(ctx context.Context, owner Owner, id string, responses map[string]rpc.Raw) (Task, error) {
	return s.respond(ctx, owner, id, responses, nil)
}

// Refuse answers one question with an error the client sent, which the work's
// Ask returns. An unknown key is ignored.
func (s *Set) Refuse(ctx context.Context, owner Owner, id, key string, wire *jsonrpc.Error) (Task, error) {
	return s.respond(ctx, owner, id, map[string]rpc.Raw{key: rpc.Raw("null")}, wire)
}

func (s *Set) respond(ctx context.Context, owner Owner, id string, responses map[string]rpc.Raw, refusal *jsonrpc.Error) (Task, error) {
	l, t, err := s.find(ctx, owner, id)
	switch {
	case err != nil:
		return t, err
	case l != nil:
		return l.answer(responses, refusal)
	case s.elsewhere(&t):
		r := request{Op: opAnswer, Owner: owner, ID: id, Responses: responses, Refusal: packError(refusal)}
		t, _, _, err = s.ask(ctx, t, r, false)
	}
	return t, err
}

// Wait returns the task once it is in a final state or requires input, at a
// revision later than after. With after 0 it returns at once when that is so
// already; a caller that has seen a snapshot passes its Revision to wait for
// news. It fails with ctx's cause, or [ErrUnknown] when the task expires.
func (s *Set) Wait(ctx context.Context, owner Owner, id string, after uint64) (Task, error) {
	for {
		l, t, err := s.find(ctx, owner, id)
		if err != nil {
			return Task{}, err
		}
		if l == nil && s.elsewhere(&t) {
			t, _, _, err = s.ask(ctx, t, request{Op: opWait, Owner: owner, ID: id, After: after}, false)
			return t, err
		}
		if t.Status.Terminal() || l == nil {
			return t, nil
		}
		t, changed := l.watch()
		if t.Status.Terminal() || t.Status == InputRequired && t.Revision > after {
			return t, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Task{}, context.Cause(ctx)
		}
	}
}

// Claim hands the task's unclaimed questions to the caller, who is to ask the
// client and Answer or Refuse them; nobody else is handed them until release.
// release is idempotent and must be called; it gives back what is unanswered.
// A 2025-11-25 tasks/result claims, so that two of them do not ask twice.
func (s *Set) Claim(ctx context.Context, owner Owner, id string) (questions map[string]rpc.InputRequest, release func(), err error) {
	l, t, err := s.find(ctx, owner, id)
	switch {
	case err != nil:
		return nil, func() {}, err
	case l != nil:
		questions, release = l.claim()
		return questions, release, nil
	case !s.elsewhere(&t):
		return nil, func() {}, nil
	}
	_, r, stream, err := s.ask(ctx, t, request{Op: opClaim, Owner: owner, ID: id}, true)
	if err != nil || stream == nil {
		return nil, func() {}, err
	}
	return r.Questions, func() { stream.Close(nil) }, nil
}

// Close cancels every running task with [ErrClosed], refuses new ones and waits
// for the goroutines. It is idempotent.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.unwire()
	s.stop()
	s.wg.Wait()
}

// firstSweep is when a Set first looks for what ran here before: by then those who
// want to be told have said so.
const firstSweep = time.Second

// sweep forgets expired tasks, and fails those of lost nodes, until the Set is
// closed.
func (s *Set) sweep() {
	ticker := time.NewTicker(s.cfg.Sweep)
	defer ticker.Stop()
	soon := time.NewTimer(firstSweep)
	defer soon.Stop()
	var changes <-chan struct{}
	if s.cfg.Peers != nil {
		news, stop := s.cfg.Peers.Changes()
		defer stop()
		changes = news
	}
	for {
		select {
		case <-s.base.Done():
			return
		case <-changes:
		case <-soon.C:
		case now := <-ticker.C:
			s.expire(now)
		}
		s.failOrphans()
		s.reconcile()
	}
}

// expire forgets what has expired. What runs here is looked at itself: the store
// may have been swept by another Set.
func (s *Set) expire(now time.Time) {
	if _, err := s.cfg.Store.Sweep(s.base, now); err != nil && !errors.Is(err, context.Canceled) {
		s.cfg.Log.Warn("sweep of expired tasks failed", "error", err)
	}
	for _, l := range s.running() {
		if !now.Before(l.expires) {
			l.finish(Cancelled, rpc.Result{}, nil, "expired")
			l.cancel(ErrExpired)
			_ = l.flush() // nobody will ask
		}
	}
}
