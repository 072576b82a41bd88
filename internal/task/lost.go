// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// errLost tells a client what is known of work at a node that was lost.
var errLost = jsonrpc.NewError(jsonrpc.CodeInternal, "the node that ran the task was lost; start over").WithData(
	jsonrpc.Raw(`{"gateway":{"reason":"node_lost","started":true}}`))

// failAttempts bounds how often fail tries against a home that is there after all.
const failAttempts = 3

// fail ends a task whose home is lost. Every node may try: the first to write
// has its say, unless the home had the last word before, and that one tells the
// others. It returns the task as it is then.
func (s *Set) fail(ctx context.Context, t Task) (Task, error) {
	for range failAttempts {
		failed := t
		failed.Revision++
		failed.Updated = time.Now()
		failed.Instance = rand.Text() // nothing runs there; it tells whose write this is
		failed.Status, failed.Message, failed.Questions = Failed, "the node that ran the task was lost", nil
		failed.Err = errLost
		kept, err := s.put(ctx, failed)
		if err != nil {
			return Task{}, err
		}
		if same(&kept, &failed) {
			s.cfg.Log.Warn("task failed, as its node was lost", "task", t.ID[:min(len(t.ID), 6)], "node", t.Home)
			s.tell(kept, nil)
		}
		if kept.Status.Terminal() {
			return kept, nil
		}
		t = kept
	}
	return t, nil
}

// put writes a snapshot and returns what is kept then, which is another one when
// somebody else has ended the task.
func (s *Set) put(ctx context.Context, t Task) (Task, error) {
	if err := s.cfg.Store.Put(ctx, t); err != nil {
		return Task{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if s.cfg.Peers == nil {
		return t, nil
	}
	kept, err := s.cfg.Store.Get(ctx, t.ID)
	switch {
	case errors.Is(err, ErrUnknown): // its time is over
		return t, nil
	case err != nil:
		return Task{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return kept, nil
}

// same reports whether two snapshots are one.
func same(a, b *Task) bool {
	return a.Revision == b.Revision && a.Status == b.Status && a.Instance == b.Instance
}

// failOrphans fails every task whose home is lost.
func (s *Set) failOrphans() {
	if s.cfg.Peers == nil {
		return
	}
	for _, t := range s.cfg.Store.All(s.orphaned) {
		if _, err := s.fail(s.base, t); err != nil && s.base.Err() == nil {
			s.cfg.Log.Warn("task of a lost node not failed yet", "node", t.Home, "error", err)
			return // so it is with the others; the next sweep tries again
		}
	}
}

// reconcile stops work whose task others have ended, taking this node for lost,
// and writes what could not be written before.
func (s *Set) reconcile() {
	for _, l := range s.running() {
		l.check(s.base)
		_ = l.flush() // it says so in the log; the next sweep tries again
	}
}

// running returns what runs here.
func (s *Set) running() []*live {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*live, 0, len(s.live))
	for _, l := range s.live {
		list = append(list, l)
	}
	return list
}

// check looks whether somebody else has ended the task. It costs no message: a
// replicated store answers it from memory.
func (l *live) check(ctx context.Context) {
	if l.set.cfg.Peers == nil {
		return
	}
	kept, err := l.set.cfg.Store.Get(ctx, l.id)
	if err == nil && kept.Status.Terminal() {
		l.adopt(kept)
	}
}

// adopt makes the final state that another node has given the task this one's,
// and cancels the work.
func (l *live) adopt(kept Task) {
	l.mu.Lock()
	if same(&l.shown, &kept) || same(&l.task, &kept) { // or about to be shown
		l.mu.Unlock()
		return
	}
	l.task, l.waiting = kept, nil
	l.show(kept)
	l.mu.Unlock()
	l.cancel(ErrLost)
}
