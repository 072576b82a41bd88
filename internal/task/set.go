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

	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/share"
	"github.com/holdfast-mcp/holdfast/internal/throttle"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Config configures a Set. Zero fields mean the defaults.
type Config struct {
	Store        Store         // default: a new [Memory]
	PerPrincipal int           // tasks kept per principal and network address, finished ones included; default 1000
	Total        int           // tasks kept in all; default 10000
	MaxResult    int           // bytes of a result; the task of a larger one fails; default 4 MiB
	TTL          time.Duration // when the work names none; default 1 hour
	MaxTTL       time.Duration // default 24 hours
	Poll         time.Duration // when the work names none; default 1 second
	Sweep        time.Duration // between sweeps; default 10 seconds
	Log          *slog.Logger  // default: discard
	// Nodes are the nodes with which Store is shared. A Set then serves the
	// streams of kind "task". Nil means that nobody else knows the Store, nor did
	// before.
	Nodes nodes.Nodes

	// Handler returns what answers the calls of an endpoint, for tasks whose work
	// was lost with its node and may be done again. It fails with [ErrNotYet] while
	// this node is not ready to run any, and with an error that clients may read
	// when it does not serve that endpoint. It must not block. Nil means that no
	// task is restarted, here or by others for this node.
	Handler func(endpoint string) (rpc.Handler, error)
	// Members returns the names of the nodes that can take tasks over, this one
	// included. They only decide who tries first. Nil means that this node need not
	// wait for others.
	Members  func() []string
	Restarts int // of one task, at most; default 3
	// MaxCall is how many bytes of a call are kept so that it can be made again; the
	// task of a larger one fails with its node. Default 32 KiB.
	MaxCall int
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
	c.MaxResult = cmp.Or(c.MaxResult, 4<<20)
	c.TTL = cmp.Or(c.TTL, time.Hour)
	c.MaxTTL = cmp.Or(c.MaxTTL, 24*time.Hour)
	c.Poll = cmp.Or(c.Poll, time.Second)
	c.Sweep = cmp.Or(c.Sweep, 10*time.Second)
	c.Restarts = cmp.Or(c.Restarts, 3)
	c.MaxCall = cmp.Or(c.MaxCall, 32<<10)
	return c
}

// Set runs and keeps tasks. It is safe for concurrent use.
//
// With other nodes, all over one Store, a task runs at its home and can be
// reached through any Set: what is asked of a task that runs elsewhere is asked
// of its home. A task whose home is lost is restarted by one of the others, if it
// may be, else it fails, once, by the first to notice.
//
// It owns one goroutine per running task and the sweeper; Close stops them all
// and waits.
type Set struct {
	cfg Config

	stop   context.CancelFunc // ends the sweeper and every task
	base   context.Context
	wg     sync.WaitGroup
	unwire func()         // stops serving other nodes
	lines  throttle.Lines // of the log that would repeat

	mu     sync.Mutex
	closed bool
	live   map[string]*live              // running here, or being taken over
	hooks  [mcp.Modern + 1][]*func(Task) // by era; replaced, never changed

	orphans map[orphan]time.Time // since when a task has been known to be lost

	delivered   []delivery // oldest first
	isDelivered map[string]struct{}
	refusals    int       // since the last log line about one
	nextRefusal time.Time // no log line before
}

// NewSet returns a Set and starts its sweeper.
func NewSet(cfg Config) *Set {
	s := &Set{cfg: cfg.withDefaults(), live: map[string]*live{}, orphans: map[orphan]time.Time{}, isDelivered: map[string]struct{}{}, unwire: func() {}}
	s.base, s.stop = context.WithCancel(context.Background())
	if s.cfg.Nodes != nil {
		s.unwire = s.cfg.Nodes.Serve(kindTask, s.accept)
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
	// Call is the call, and Endpoint where it came in, by a name that means the same
	// at all nodes: what it takes to make the call again if d allows it and this node
	// is lost. Without them the task then fails.
	Call     *rpc.Call
	Endpoint string
	// Caller is who has a share of the tasks for it; the zero value means the owner.
	Caller share.Caller
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
		ID: rand.Text(), Owner: owner, Caller: spec.Caller, Method: spec.Method, Target: spec.Target, Status: Working,
		Created: now, Updated: now, Revision: 1,
		TTL:  min(cmp.Or(spec.TTL, d.TTL, s.cfg.TTL), s.cfg.MaxTTL),
		Poll: cmp.Or(d.Poll, s.cfg.Poll),
	}
	if s.cfg.Nodes != nil {
		t.Home, t.Instance = s.cfg.Nodes.Self()
	}
	if d.Repeatable && spec.Call != nil && spec.Endpoint != "" && s.cfg.Nodes != nil && s.cfg.Handler != nil {
		t.Call = keepCall(spec.Endpoint, spec.Call, s.cfg.MaxCall)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return Task{}, ErrClosed
	}
	s.wg.Add(1) // under the lock, so that Close waits for it
	s.mu.Unlock()
	if err := s.create(ctx, t); err != nil {
		s.wg.Done()
		if errors.Is(err, ErrFull) {
			return Task{}, err
		}
		return Task{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	l, run := s.newLive(ctx, t, spec)
	s.mu.Lock()
	s.live[t.ID] = l
	s.mu.Unlock()
	s.launch(l, func() { l.run(run, d) })
	return t, nil
}

// newLive returns a task that is to run here and the context of its work, which
// has the values of ctx.
func (s *Set) newLive(ctx context.Context, t Task, spec Spec) (*live, context.Context) {
	run, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	spec.Call = nil // what is kept of it is the task's
	return &live{
		id: t.ID, expires: t.Expires(), set: s, spec: spec, cancel: cancel, task: t, shown: t,
		changed: make(chan struct{}), used: map[string]struct{}{},
	}, run
}

// launch runs f for l on a goroutine of its own, which s.wg has been told of. The
// work of l is cancelled when the Set is closed.
func (s *Set) launch(l *live, f func()) {
	stop := context.AfterFunc(s.base, func() { l.cancel(ErrClosed) })
	go func() {
		defer s.wg.Done()
		defer stop()
		f()
	}()
}

// Get returns a task, or [ErrUnknown]. Of a task that runs at another node it
// asks that one, and returns what is stored if there is no answer in time.
func (s *Set) Get(ctx context.Context, owner Owner, id string) (Task, error) {
	l, t, err := s.find(ctx, owner, id)
	if err != nil || l != nil || !s.elsewhere(&t) {
		return t, err
	}
	limited, cancel := context.WithTimeout(ctx, askHome)
	defer cancel()
	if now, _, _, err := s.do(limited, &request{Op: opGet, Owner: owner, ID: id}); err == nil || errors.Is(err, ErrUnknown) {
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
		return nil, "", unread(err)
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
	t, r, _, err := s.do(ctx, &request{Op: opCancel, Owner: owner, ID: id})
	if err == nil {
		s.Delivered(&t) // who cancels knows the outcome
	}
	return t, r.Changed, err
}

// Answer gives the task answers to its questions, which are bare results by
// key. Keys that are not waiting for an answer are ignored. The answers may be
// partial; when Answer returns, the answered questions are gone from the task.
func (s *Set) Answer(ctx context.Context, owner Owner, id string, responses map[string]rpc.Raw) (Task, error) {
	t, _, _, err := s.do(ctx, &request{Op: opAnswer, Owner: owner, ID: id, Responses: responses})
	return t, err
}

// Refuse answers one question with an error the client sent, which the work's
// Ask returns. An unknown key is ignored.
func (s *Set) Refuse(ctx context.Context, owner Owner, id, key string, wire *jsonrpc.Error) (Task, error) {
	r := &request{Op: opAnswer, Owner: owner, ID: id, Responses: map[string]rpc.Raw{key: rpc.Raw("null")}, Refusal: packError(wire)}
	t, _, _, err := s.do(ctx, r)
	return t, err
}

// Wait returns the task once it is in a final state or requires input, at a
// revision later than after. With after 0 it returns at once when that is so
// already; a caller that has seen a snapshot passes its Revision to wait for
// news. It fails with ctx's cause, or [ErrUnknown] when the task expires.
func (s *Set) Wait(ctx context.Context, owner Owner, id string, after uint64) (Task, error) {
	t, _, _, err := s.do(ctx, &request{Op: opWait, Owner: owner, ID: id, After: after})
	return t, err
}

// Claim hands the task's unclaimed questions to the caller, who is to ask the
// client and Answer or Refuse them; nobody else is handed them until release.
// release is idempotent and must be called; it gives back what is unanswered.
// A 2025-11-25 tasks/result claims, so that two of them do not ask twice.
func (s *Set) Claim(ctx context.Context, owner Owner, id string) (questions map[string]rpc.InputRequest, release func(), err error) {
	_, answer, release, err := s.do(ctx, &request{Op: opClaim, Owner: owner, ID: id})
	return answer.Questions, release, err
}

// Close cancels every running task with [ErrClosed], refuses new ones and waits
// for the goroutines. What that stops fails, but for tasks that may be restarted:
// they are left to the other nodes, or this one's next instance. It is idempotent.
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

// orphanSweep is the time between looks at tasks of lost nodes that wait for the
// node whose turn it is, or for this one to have started.
const orphanSweep = 250 * time.Millisecond

// sweep forgets expired tasks, and restarts or fails those of lost nodes, until
// the Set is closed.
func (s *Set) sweep() {
	ticker := time.NewTicker(s.cfg.Sweep)
	defer ticker.Stop()
	soon := time.NewTimer(firstSweep)
	defer soon.Stop()
	var changes <-chan struct{}
	if s.cfg.Nodes != nil {
		news, stop := s.cfg.Nodes.Changes()
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
		if s.seeToOrphans() {
			soon.Reset(orphanSweep)
		}
		s.reconcile()
	}
}

// expire forgets what has expired. What runs here is looked at itself: the store
// may have been swept by another Set.
func (s *Set) expire(now time.Time) {
	s.forgetDelivered(now)
	if _, err := s.cfg.Store.Sweep(s.base, now); err != nil && !errors.Is(err, context.Canceled) {
		s.lines.Log(s.cfg.Log, slog.LevelWarn, "sweep of expired tasks failed", "error", err)
	}
	for _, l := range s.running() {
		if !now.Before(l.expires) {
			l.finish(Cancelled, rpc.Result{}, nil, "expired")
			l.cancel(ErrExpired)
			_ = l.flush() // nobody will ask
		}
	}
}
