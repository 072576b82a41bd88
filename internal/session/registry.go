// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of [Registry.Acquire].
var (
	ErrFull     = errors.New("too many live sessions")
	ErrDraining = errors.New("sessions are draining")
)

// Config says where records are kept and bounds what sessions may hold on one
// node. Zero fields mean the default.
type Config struct {
	Store     Store         // default: a [Memory] of its default size
	Live      int           // sessions in use at once; default 1,048,576
	Idle      int           // sessions kept after use, for their logs; default 16,384
	LogEvents int           // events per session; default 256
	LogBytes  int           // bytes per session; default 8 MiB
	LogAge    time.Duration // default 5 minutes; an unused session is parked after it too
	Logs      *LogBudget    // of the bytes of all logs; default: one of the registry's own
}

func (c Config) withDefaults() Config {
	if c.Store == nil {
		c.Store = NewMemory(0)
	}
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&c.Live, 1<<20)
	def(&c.Idle, 1<<14)
	def(&c.LogEvents, 256)
	def(&c.LogBytes, 8<<20)
	if c.LogAge <= 0 {
		c.LogAge = 5 * time.Minute
	}
	if c.Logs == nil {
		c.Logs = NewLogBudget(0)
	}
	return c
}

const shardCount = 64

// Registry holds the sessions with something live on this node. A session is in
// it while somebody has acquired it and, for the sake of its log, for a while
// after; then it is parked: dropped, with only ticket and record remaining. One
// that is acquired is never parked. It is safe for concurrent use.
type Registry struct {
	cfg      Config
	perIdle  int // idle sessions per shard
	live     atomic.Int64
	draining atomic.Bool
	released chan struct{} // receives while draining
	shards   [shardCount]registryShard

	armed   atomic.Bool // a sweep will come
	sweepMu sync.Mutex
	sweep   *time.Timer // nil until something is idle for the first time
	stopped bool
}

type registryShard struct {
	mu    sync.Mutex
	live  map[ID]*Live
	idle  int
	first *Live // the longest idle
	last  *Live
	_     [24]byte // apart from the next shard's lock
}

// Live is what a session has on this node.
type Live struct {
	ID  ID
	Log Log

	once  sync.Once
	state State

	// Guarded by the shard's lock.
	refs       int
	idleSince  time.Time
	prev, next *Live // in the shard's idle list
}

// State is what an engine attaches to a live session.
type State interface {
	// Park is called once, when the session has been dropped from the registry.
	Park()
}

// NewRegistry returns an empty registry.
func NewRegistry(cfg Config) *Registry {
	r := &Registry{cfg: cfg.withDefaults(), released: make(chan struct{}, 1)}
	r.perIdle = (r.cfg.Idle + shardCount - 1) / shardCount
	return r
}

// Store returns the store of records.
func (r *Registry) Store() Store { return r.cfg.Store }

func (r *Registry) shard(id ID) *registryShard { return &r.shards[id[0]%shardCount] }

// Acquire returns the live session, made if need be. Each one acquired must be
// released. It fails with [ErrFull] or [ErrDraining].
func (r *Registry) Acquire(id ID) (*Live, error) {
	s := r.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.draining.Load() {
		return nil, ErrDraining
	}
	if l := s.live[id]; l != nil {
		s.use(l)
		return l, nil
	}
	if r.live.Add(1) > int64(r.cfg.Live+r.cfg.Idle) {
		r.live.Add(-1)
		return nil, ErrFull
	}
	l := &Live{ID: id, refs: 1}
	l.Log.limits = &r.cfg
	if s.live == nil {
		s.live = map[ID]*Live{}
	}
	s.live[id] = l
	return l, nil
}

// Find acquires the session only if it is in the registry; else it returns nil.
func (r *Registry) Find(id ID) *Live {
	s := r.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.live[id]
	if l != nil {
		s.use(l)
	}
	return l
}

// Has reports whether the session is in the registry, without using it.
func (r *Registry) Has(id ID) bool {
	s := r.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[id] != nil
}

// use counts one more user of l and takes it off the idle list.
func (s *registryShard) use(l *Live) {
	if l.refs++; l.refs == 1 {
		s.unlink(l)
	}
}

// Release ends one use. The last one makes the session idle.
func (r *Registry) Release(l *Live) {
	s := r.shard(l.ID)
	var parked *Live
	s.mu.Lock()
	l.refs--
	if l.refs == 0 {
		l.idleSince = time.Now()
		s.link(l)
		if s.idle > r.perIdle {
			parked = s.drop(s.first)
		}
	}
	s.mu.Unlock()
	if parked != nil {
		r.park(parked)
	}
	if r.draining.Load() {
		select {
		case r.released <- struct{}{}:
		default:
		}
		return
	}
	r.arm()
}

func (s *registryShard) link(l *Live) {
	l.prev, l.next = s.last, nil
	if s.last == nil {
		s.first = l
	} else {
		s.last.next = l
	}
	s.last = l
	s.idle++
}

func (s *registryShard) unlink(l *Live) {
	if l.prev == nil {
		s.first = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		s.last = l.prev
	} else {
		l.next.prev = l.prev
	}
	l.prev, l.next = nil, nil
	s.idle--
}

// drop removes an idle session from the shard.
func (s *registryShard) drop(l *Live) *Live {
	s.unlink(l)
	delete(s.live, l.ID)
	return l
}

// park ends a session that is no longer in its shard.
func (r *Registry) park(l *Live) {
	r.live.Add(-1)
	l.Log.clear()
	l.once.Do(func() {}) // a State made from now on would be missed
	if l.state != nil {
		l.state.Park()
	}
}

// State returns what is attached to the session, made by the first who asks.
func (l *Live) State(make func() State) State {
	l.once.Do(func() { l.state = make() })
	return l.state
}

// arm makes sure that a sweep will come.
func (r *Registry) arm() {
	if r.armed.Load() || r.armed.Swap(true) {
		return
	}
	r.sweepMu.Lock()
	defer r.sweepMu.Unlock()
	if r.stopped {
		return
	}
	if r.sweep == nil {
		r.sweep = time.AfterFunc(r.cfg.LogAge, r.runSweep)
		return
	}
	r.sweep.Reset(r.cfg.LogAge)
}

// runSweep parks what has been idle for too long and comes again while anything
// is idle.
func (r *Registry) runSweep() {
	r.armed.Store(false)
	if r.parkIdle(time.Now().Add(-r.cfg.LogAge)) > 0 {
		r.arm()
	}
}

// parkIdle parks the sessions idle since before the given moment and returns
// how many idle ones remain.
func (r *Registry) parkIdle(before time.Time) (remain int) {
	for i := range r.shards {
		s := &r.shards[i]
		var parked []*Live
		s.mu.Lock()
		for s.first != nil && !s.first.idleSince.After(before) {
			parked = append(parked, s.drop(s.first))
		}
		remain += s.idle
		s.mu.Unlock()
		for _, l := range parked {
			r.park(l)
		}
	}
	return remain
}

// Len returns the number of sessions in the registry, idle ones included.
func (r *Registry) Len() int { return int(r.live.Load()) }

// Each calls do with every session in the registry, acquired for the duration.
func (r *Registry) Each(do func(*Live)) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		all := make([]*Live, 0, len(s.live))
		for _, l := range s.live {
			s.use(l)
			all = append(all, l)
		}
		s.mu.Unlock()
		for _, l := range all {
			do(l)
			r.Release(l)
		}
	}
}

// StopAcquiring makes Acquire fail from now on. Find goes on.
func (r *Registry) StopAcquiring() {
	r.draining.Store(true)
	for i := range r.shards { // whoever was inside Acquire is through after this
		r.shards[i].mu.Lock()
		r.shards[i].mu.Unlock() //nolint:staticcheck // an empty section is the point
	}
}

// Drain waits until no session is acquired, then parks them all. When ctx ends
// first it parks what is idle and returns ctx's cause. The registry is of no
// use afterwards.
func (r *Registry) Drain(ctx context.Context) error {
	r.StopAcquiring()
	r.sweepMu.Lock()
	r.stopped = true
	if r.sweep != nil {
		r.sweep.Stop()
	}
	r.sweepMu.Unlock()
	for {
		r.parkIdle(time.Now())
		if r.Len() == 0 {
			return nil
		}
		select {
		case <-r.released:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
