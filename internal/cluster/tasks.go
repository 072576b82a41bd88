// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/share"
	"github.com/holdfast-mcp/holdfast/internal/task"
)

// Tasks is the replicated [task.Store]. Every node has all snapshots in memory,
// without results over 4 KiB, which Get reads from the store and List leaves out.
// Limits are exact among the tasks of one node; those that other nodes create
// within the lag of the feed may come on top. It is safe for concurrent use.
type Tasks struct {
	kv *kv

	mu       sync.Mutex
	entries  map[string]*taskEntry
	order    map[string][]task.Position // by principal, ascending
	creating map[share.Caller]int       // creations under way
	books    task.Books                 // of entries and of creations under way
	swept    time.Time                  // what expired until then is gone
}

type taskEntry struct {
	rev  uint64 // of the store
	task task.Task
	cut  bool // the result is not here
}

// maxCachedResult is the size above which a result is not kept in memory.
const maxCachedResult = 4 << 10

// taskKey is what an id may be; anything else was never created here.
var taskKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

var _ task.Store = (*Tasks)(nil)

func newTasks(t *kv) *Tasks {
	return &Tasks{kv: t, entries: map[string]*taskEntry{}, order: map[string][]task.Position{}, creating: map[share.Caller]int{}}
}

// Create implements [task.Store].
func (s *Tasks) Create(ctx context.Context, t task.Task, perPrincipal, total int) error {
	if !taskKey.MatchString(t.ID) {
		return fmt.Errorf("task id %q cannot be stored", t.ID)
	}
	if err := s.reserve(t.Holder(), perPrincipal, total); err != nil {
		return err
	}
	defer s.release(t.Holder())
	return s.write(ctx, t, 0)
}

func (s *Tasks) reserve(c share.Caller, perPrincipal, total int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.books.Fits(c, perPrincipal, total, s.holders); err != nil {
		return err
	}
	s.creating[c]++
	s.books.Take(c)
	return nil
}

func (s *Tasks) release(c share.Caller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books.Give(c)
	if s.creating[c]--; s.creating[c] == 0 {
		delete(s.creating, c)
	}
}

// holders yields whose the tasks are that are there or are being created. s.mu is held.
func (s *Tasks) holders(yield func(share.Caller) bool) {
	for c, n := range s.creating {
		for range n {
			if !yield(c) {
				return
			}
		}
	}
	for _, e := range s.entries {
		if !yield(e.task.Holder()) {
			return
		}
	}
}

// Forget implements [task.Store]: what is written is a task that has expired, which
// every node drops when it sweeps.
func (s *Tasks) Forget(ctx context.Context, id string) error {
	if !taskKey.MatchString(id) {
		return nil
	}
	for range putAttempts {
		rev, t, err := s.current(ctx, id)
		if errors.Is(err, task.ErrUnknown) {
			return nil
		}
		if err != nil {
			return err
		}
		now := time.Now()
		t.TTL, t.Result, t.Err, t.Questions, t.Call = now.Sub(t.Created), rpc.Result{}, nil, nil, nil
		if err = s.write(ctx, t, rev); err == nil {
			s.drop(id)
		}
		if !errors.Is(err, errConflict) {
			return err
		}
	}
	return fmt.Errorf("forget task: %w", errConflict)
}

func (s *Tasks) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[id]; e != nil {
		s.forget(e.task)
	}
}

// write stores t over a revision and takes it into the cache.
func (s *Tasks) write(ctx context.Context, t task.Task, over uint64) error {
	data, err := encodeTask(&t)
	if err != nil {
		return err
	}
	v, _, err := s.kv.put(ctx, value{key: t.ID, rev: over, data: data}, ttlOf(t.Expires()))
	if err == nil || errors.Is(err, errConflict) {
		s.apply(v)
	}
	if err != nil {
		return fmt.Errorf("write task: %w", err)
	}
	return nil
}

// putAttempts bounds how often Put tries against other writers: there are some
// only while a task's home is lost, or was taken for it.
const putAttempts = 8

// Put implements [task.Store].
func (s *Tasks) Put(ctx context.Context, t task.Task) error {
	if !taskKey.MatchString(t.ID) {
		return nil
	}
	for range putAttempts {
		rev, kept, err := s.current(ctx, t.ID)
		switch {
		case errors.Is(err, task.ErrUnknown):
			return nil
		case err != nil:
			return err
		case !t.Follows(&kept):
			return nil
		}
		if err = s.write(ctx, t, rev); !errors.Is(err, errConflict) {
			return err
		}
	}
	return fmt.Errorf("write task: %w", errConflict)
}

// current returns what is stored and at which revision, without its result.
func (s *Tasks) current(ctx context.Context, id string) (uint64, task.Task, error) {
	s.mu.Lock()
	e := s.entries[id]
	s.mu.Unlock()
	if e != nil {
		return e.rev, e.task, nil
	}
	v, t, err := s.fetch(ctx, id)
	return v.rev, t, err
}

// Get implements [task.Store]. A task that this node has not heard of is looked
// for at the leader, since what another node has created is visible at once.
func (s *Tasks) Get(ctx context.Context, id string) (task.Task, error) {
	if !taskKey.MatchString(id) {
		return task.Task{}, task.ErrUnknown
	}
	s.mu.Lock()
	e := s.entries[id]
	s.mu.Unlock()
	if e != nil && !e.cut {
		return clone(e.task), nil
	}
	_, t, err := s.fetch(ctx, id)
	return t, err
}

// readLimit is how long a read waits for a leader before it takes a replica's word.
const readLimit = 2 * time.Second

// fetch reads a task from the leader, or without one from a replica; that one
// not knowing it then proves nothing.
func (s *Tasks) fetch(ctx context.Context, id string) (value, task.Task, error) {
	limited, cancel := context.WithTimeout(ctx, s.kv.health.writeLimit(readLimit))
	defer cancel()
	v, err := s.kv.sure(limited, id)
	if err != nil && !errors.Is(err, errAbsent) {
		near, nearErr := s.kv.near(ctx, id)
		if nearErr != nil {
			return value{}, task.Task{}, fmt.Errorf("read task: %w: %w", s.kv.health.missing(), err)
		}
		v, err = near, nil
	}
	if errors.Is(err, errAbsent) {
		return value{}, task.Task{}, task.ErrUnknown
	}
	t, err := decodeTask(v.data)
	if err != nil {
		return value{}, task.Task{}, err
	}
	if s.gone(&t) {
		return value{}, task.Task{}, task.ErrUnknown
	}
	s.keep(v.rev, t)
	return v, t, nil
}

func (s *Tasks) gone(t *task.Task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.swept.Before(t.Expires()) || !time.Now().Before(t.Expires())
}

// List implements [task.Store].
func (s *Tasks) List(_ context.Context, owner task.Owner, after task.Position, limit int) ([]task.Task, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	order := s.order[owner.Principal]
	at, found := slices.BinarySearchFunc(order, after, task.Position.Compare)
	if found {
		at++
	}
	var list []task.Task
	for _, p := range order[at:] {
		if len(list) == limit {
			break
		}
		t := s.entries[p.ID].task
		if t.Owner.Era == owner.Era && (owner.Session == "" || owner.Session == t.Owner.Session) {
			list = append(list, clone(t))
		}
	}
	return list, nil
}

// Sweep implements [task.Store]. Every node sweeps its own cache; the store
// forgets by itself, a little later.
func (s *Tasks) Sweep(_ context.Context, now time.Time) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.After(s.swept) {
		s.swept = now
	}
	var gone []string
	for id, e := range s.entries {
		if !s.swept.Before(e.task.Expires()) {
			gone = append(gone, id)
			s.forget(e.task)
		}
	}
	return gone, nil
}

// All implements [task.Store].
func (s *Tasks) All(selected func(*task.Task) bool) []task.Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []task.Task
	for _, e := range s.entries {
		if selected(&e.task) {
			list = append(list, clone(e.task))
		}
	}
	return list
}

// apply takes a change from the feed.
func (s *Tasks) apply(v value) {
	if t, err := decodeTask(v.data); err == nil && t.ID == v.key {
		s.keep(v.rev, t)
	}
}

// keep takes a stored task into the cache unless a later one is there.
func (s *Tasks) keep(rev uint64, t task.Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[t.ID]
	if e != nil && e.rev >= rev {
		return
	}
	if !s.swept.Before(t.Expires()) {
		if e != nil { // it was forgotten before its time
			s.forget(e.task)
		}
		return
	}
	cut := len(t.Result.Body) > maxCachedResult
	if cut {
		t.Result.Body = nil
	}
	t.Result.Shared = nil
	s.entries[t.ID] = &taskEntry{rev, t, cut}
	if e != nil {
		return
	}
	s.books.Take(t.Holder())
	position := task.Position{Created: t.Created, ID: t.ID}
	order := s.order[t.Owner.Principal]
	at, _ := slices.BinarySearchFunc(order, position, task.Position.Compare)
	s.order[t.Owner.Principal] = slices.Insert(order, at, position)
}

// forget removes a task from the cache. s.mu is held.
func (s *Tasks) forget(t task.Task) {
	delete(s.entries, t.ID)
	s.books.Give(t.Holder())
	principal := t.Owner.Principal
	order := s.order[principal]
	if at, ok := slices.BinarySearchFunc(order, task.Position{Created: t.Created, ID: t.ID}, task.Position.Compare); ok {
		order = slices.Delete(order, at, at+1)
		s.order[principal] = order
	}
	if len(order) == 0 {
		delete(s.order, principal)
	}
}

func clone(t task.Task) task.Task {
	t.Questions = maps.Clone(t.Questions)
	return t
}
