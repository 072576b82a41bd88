// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"context"
	"encoding/base64"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/share"
)

// Store keeps the snapshots of tasks. The Set that runs a task is the only one
// to write it, but for a task whose node is lost: another ends it or takes it
// over. A store may be
// replicated: what Create has accepted must be visible to a Get right after, on
// any node, and what Put or Create did to a Get at the same node. It is safe for
// concurrent use. tasktest holds the contract.
type Store interface {
	// Create keeps a new task durably. It fails with [ErrFull] when the task's holder
	// has its share of total tasks, of which one principal at one network address may
	// have perPrincipal; see package share.
	Create(ctx context.Context, t Task, perPrincipal, total int) error
	// Put replaces a task, if t follows what is kept, see [Task.Follows]. Else, or
	// when no such task is kept, nothing changes; that is no error. Puts of several
	// nodes have an order, and what is kept cannot change between the comparison and
	// the writing: the first to end a task has ended it, the first to restart it is
	// its home.
	Put(ctx context.Context, t Task) error
	// Get returns a task, or [ErrUnknown].
	Get(ctx context.Context, id string) (Task, error)
	// List returns at most limit tasks of the owner after the position, oldest
	// first: those of its session, or with no session all of its principal, in
	// its era.
	List(ctx context.Context, owner Owner, after Position, limit int) ([]Task, error)
	// All returns the tasks that selected returns true for, possibly without
	// results, but with their calls. It may be behind other nodes by a moment. selected must not block.
	All(selected func(*Task) bool) []Task
	// Forget removes a task before its time. Other nodes forget it a little later. An
	// unknown one is no error.
	Forget(ctx context.Context, id string) error
	// Sweep forgets the tasks that have expired at now and returns their ids.
	// Several Sets and nodes may sweep at the same time.
	Sweep(ctx context.Context, now time.Time) ([]string, error)
}

// Position is a place in the order of tasks: by creation, then id. The zero
// Position is before all.
type Position struct {
	Created time.Time
	ID      string
}

func positionOf(t *Task) Position { return Position{t.Created, t.ID} }

// Compare orders positions.
func (p Position) Compare(q Position) int {
	if c := p.Created.Compare(q.Created); c != 0 {
		return c
	}
	return strings.Compare(p.ID, q.ID)
}

// cursor is the position as an opaque string. It grants nothing: lists are
// scoped by owner whatever the position.
func (p Position) cursor() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(p.Created.UnixNano(), 36) + "." + p.ID))
}

func parseCursor(cursor string) (Position, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return Position{}, ErrCursor
	}
	nanos, id, ok := strings.Cut(string(raw), ".")
	n, err := strconv.ParseInt(nanos, 36, 64)
	if !ok || err != nil {
		return Position{}, ErrCursor
	}
	return Position{time.Unix(0, n), id}, nil
}

// Memory is a Store in memory, for one node. It is safe for concurrent use.
type Memory struct {
	mu    sync.Mutex
	tasks map[string]Task
	books Books
	order map[string][]Position // by principal, ascending
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{tasks: map[string]Task{}, order: map[string][]Position{}}
}

// Books count whose the tasks of a store are. They belong to the store, whose lock
// guards them. The zero value is ready.
type Books struct {
	perPrincipal, total int
	shares              *share.Shares // nil before the first Fits
}

// Fits fails with [ErrFull] when a caller may not have one more. all yields the
// holders of all tasks there are.
func (b *Books) Fits(c share.Caller, perPrincipal, total int, all iter.Seq[share.Caller]) error {
	if b.shares == nil || b.perPrincipal != perPrincipal || b.total != total {
		*b = Books{perPrincipal, total, share.New(total, perPrincipal)}
		for holder := range all {
			b.shares.Take(holder)
		}
	}
	if !b.shares.Fits(c) {
		return Full(b.shares, c, perPrincipal, total)
	}
	return nil
}

// Take counts a task that is there now, Give one that is no more.
func (b *Books) Take(c share.Caller) {
	if b.shares != nil {
		b.shares.Take(c)
	}
}

// Give is the opposite of Take.
func (b *Books) Give(c share.Caller) {
	if b.shares != nil {
		b.shares.Give(c)
	}
}

var _ Store = (*Memory)(nil)

// Create implements [Store].
func (m *Memory) Create(_ context.Context, t Task, perPrincipal, total int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.books.Fits(t.Holder(), perPrincipal, total, m.holders); err != nil {
		return err
	}
	principal := t.Owner.Principal
	m.tasks[t.ID] = t
	m.books.Take(t.Holder())
	order := m.order[principal]
	at, _ := slices.BinarySearchFunc(order, positionOf(&t), Position.Compare)
	m.order[principal] = slices.Insert(order, at, positionOf(&t))
	return nil
}

// holders yields whose tasks there are. m.mu is held.
func (m *Memory) holders(yield func(share.Caller) bool) {
	for _, t := range m.tasks {
		if !yield(t.Holder()) {
			return
		}
	}
}

// Forget implements [Store].
func (m *Memory) Forget(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t, ok := m.tasks[id]; ok {
		delete(m.tasks, id)
		m.forget(t)
	}
	return nil
}

// Put implements [Store].
func (m *Memory) Put(_ context.Context, t Task) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if kept, ok := m.tasks[t.ID]; ok && t.Follows(&kept) {
		m.tasks[t.ID] = t
	}
	return nil
}

// Get implements [Store].
func (m *Memory) Get(_ context.Context, id string) (Task, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tasks[id]
	if !ok {
		return Task{}, ErrUnknown
	}
	return t, nil
}

// List implements [Store].
func (m *Memory) List(_ context.Context, owner Owner, after Position, limit int) ([]Task, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	order := m.order[owner.Principal]
	at, found := slices.BinarySearchFunc(order, after, Position.Compare)
	if found {
		at++
	}
	var list []Task
	for _, p := range order[at:] {
		if len(list) == limit {
			break
		}
		t := m.tasks[p.ID]
		if owner.allows(t.Owner) && (owner.Session == "" || owner.Session == t.Owner.Session) {
			list = append(list, t)
		}
	}
	return list, nil
}

// All implements [Store].
func (m *Memory) All(selected func(*Task) bool) []Task {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Task
	for _, t := range m.tasks {
		if selected(&t) {
			list = append(list, t)
		}
	}
	return list
}

// Sweep implements [Store].
func (m *Memory) Sweep(_ context.Context, now time.Time) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var gone []string
	for id, t := range m.tasks {
		if now.Before(t.Expires()) {
			continue
		}
		gone = append(gone, id)
		delete(m.tasks, id)
		m.forget(t)
	}
	return gone, nil
}

// forget removes t from its principal's books. m.mu is held.
func (m *Memory) forget(t Task) {
	m.books.Give(t.Holder())
	principal := t.Owner.Principal
	order := m.order[principal]
	if at, ok := slices.BinarySearchFunc(order, positionOf(&t), Position.Compare); ok {
		order = slices.Delete(order, at, at+1)
	}
	if m.order[principal] = order; len(order) == 0 {
		delete(m.order, principal)
	}
}
