// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/pause"
)

const (
	// askHome is how long Get waits for a task's home before it settles for what is stored.
	askHome = 2 * time.Second
	// noticeLoss is how long it may take until all agree that a node which did not
	// answer is lost, or that a task has a new home.
	noticeLoss = 3 * time.Second
	// lookAgain is the time between looks at a task that is about to get a new home.
	lookAgain = 50 * time.Millisecond
)

func nothing() {}

// find returns the running task, or the kept snapshot when it does not run here.
func (s *Set) find(ctx context.Context, owner Owner, id string) (*live, Task, error) {
	l := s.local(id)
	var t Task
	if l == nil {
		var err error
		if t, err = s.cfg.Store.Get(ctx, id); err != nil {
			return nil, Task{}, unread(err)
		}
		if !t.Status.Terminal() && !s.elsewhere(&t) {
			l = s.local(id) // it has been taken over meanwhile
		}
	}
	if l != nil {
		l.check(ctx)
		t = l.snapshot()
		if l.gone() {
			l = nil
		}
	}
	if !owner.allows(t.Owner) || !time.Now().Before(t.Expires()) {
		return nil, Task{}, ErrUnknown
	}
	return l, t, nil
}

// unread is the error of a read that the store did not answer.
func unread(err error) error {
	if errors.Is(err, ErrUnknown) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// local returns what runs here of a task, or is about to, nil when nothing does.
func (s *Set) local(id string) *live {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[id]
}

// do does what r asks for where the task runs, wherever that is by then. release
// ends a claim; it is never nil.
func (s *Set) do(ctx context.Context, r *request) (t Task, answer reply, release func(), err error) {
	for {
		l, t, err := s.find(ctx, r.Owner, r.ID)
		switch {
		case err != nil:
			return t, reply{}, nothing, err
		case l != nil:
			t, answer, release, err = s.here(ctx, l, r)
		case s.elsewhere(&t):
			t, answer, release, err = s.ask(ctx, t, r)
		case s.lost(&t):
			t, err = s.revive(ctx, t)
			answer, release = reply{}, nothing
		default:
			return t, reply{}, nothing, nil
		}
		if !errors.Is(err, errMoved) {
			return t, answer, release, err
		}
		if err := pause.For(ctx, lookAgain); err != nil {
			return Task{}, reply{}, nothing, err
		}
	}
}

// here does what r asks for to a task that runs here.
func (s *Set) here(ctx context.Context, l *live, r *request) (t Task, answer reply, release func(), err error) {
	release = nothing
	switch r.Op {
	case opCancel:
		t, answer.Changed, err = l.cancelled()
	case opAnswer:
		t, err = l.answer(r.Responses, r.Refusal.unpack())
	case opWait:
		t, err = l.await(ctx, r.After)
	case opClaim:
		answer.Questions, release = l.claimQuestions()
		t = l.snapshot()
	default:
		t = l.snapshot()
	}
	if err == nil && l.gone() {
		release()
		return t, reply{}, nothing, errMoved
	}
	return t, answer, release, err
}

// home is where t runs.
func (t *Task) home() nodes.Address {
	return nodes.Address{Node: t.Home, Instance: t.Instance, Kind: kindTask, ID: t.ID}
}

// elsewhere reports whether t is work of another node, or of what ran here before.
func (s *Set) elsewhere(t *Task) bool {
	if s.cfg.Nodes == nil || t.Home == "" || t.Status.Terminal() {
		return false
	}
	home := t.home()
	return !home.At(s.cfg.Nodes)
}

// orphaned reports whether the work of t is over although its state does not say so.
func (s *Set) orphaned(t *Task) bool {
	home := t.home()
	return s.elsewhere(t) && home.LostTo(s.cfg.Nodes)
}

// lost reports whether nobody runs t although its state does not say so: its home
// is lost, or is this node, which stored that without learning that it had.
func (s *Set) lost(t *Task) bool {
	if s.orphaned(t) {
		return true
	}
	if t.Restarts == 0 || t.Status.Terminal() || s.elsewhere(t) {
		return false
	}
	return s.local(t.ID) == nil
}

// ask asks the home of t. When the home turns out to be lost the reply is the
// task, failed, or the error is errMoved.
func (s *Set) ask(ctx context.Context, t Task, r *request) (Task, reply, func(), error) {
	for {
		if s.orphaned(&t) {
			t, err := s.revive(ctx, t)
			return t, reply{}, nothing, err
		}
		stream, answer, err := s.exchange(ctx, &t, r)
		switch {
		case err == nil && answer.Failure == failMoved:
			stream.Close(nil)
			if s.changes(ctx, &t) {
				return t, reply{}, nothing, errMoved
			}
			err = errDisowned
		case err == nil:
			return s.read(answer, stream, r)
		}
		if ctx.Err() != nil {
			return Task{}, reply{}, nothing, context.Cause(ctx)
		}
		leaving := errors.Is(err, nodes.ErrLost) || errors.Is(err, errBrokenOff)
		if !leaving || !nodes.AwaitLoss(ctx, s.cfg.Nodes, t.Home, t.Instance, noticeLoss) {
			return Task{}, reply{}, nothing, fmt.Errorf("%w: ask node %q: %w", ErrUnavailable, t.Home, err)
		}
	}
}

// errDisowned reports a task that does not run where all say it does.
var errDisowned = errors.New("it does not run the task")

// changes waits until a task that its home disowns is known to be another's, or
// lost, and reports whether it is.
func (s *Set) changes(ctx context.Context, t *Task) bool {
	ctx, cancel := context.WithTimeout(ctx, noticeLoss)
	defer cancel()
	for !s.orphaned(t) {
		kept, err := s.cfg.Store.Get(ctx, t.ID)
		if errors.Is(err, ErrUnknown) || err == nil && t.superseded(&kept) {
			return true
		}
		if pause.For(ctx, lookAgain) != nil {
			return false
		}
	}
	return true
}

// read turns a reply into what it says. It closes the stream, unless r asked for
// a claim and has it.
func (s *Set) read(answer reply, stream nodes.Stream, r *request) (Task, reply, func(), error) {
	release := func() { stream.Close(nil) }
	if answer.Task != nil {
		if r.Op != opClaim {
			release()
			release = nothing
		}
		return answer.Task.unpack(), answer, release, nil
	}
	release()
	if answer.Failure == failUnknown {
		return Task{}, answer, nothing, ErrUnknown
	}
	return Task{}, answer, nothing, fmt.Errorf("%w: its home answered %q", ErrUnavailable, answer.Failure)
}
