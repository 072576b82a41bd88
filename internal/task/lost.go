// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// lostError tells a client what is known of work at a node that was lost, and why
// it was not begun again when it might have been.
func lostError(why error) *jsonrpc.Error {
	return jsonrpc.NewError(jsonrpc.CodeInternal, lostMessage(why)+"; start over").WithData(
		jsonrpc.Raw(`{"gateway":{"reason":"node_lost","started":true}}`))
}

func lostMessage(why error) string {
	if errors.Is(why, errOnce) {
		return "the node that ran the task was lost"
	}
	return "the node that ran the task was lost, and it cannot be run again: " + why.Error()
}

// failAttempts bounds how often fail tries against a home that is there after all.
const failAttempts = 3

// fail ends a task whose home is lost. Every node may try: the first to write
// has its say, unless the home had the last word before, and that one tells the
// others. It returns the task as it is then, and errMoved when somebody else has
// begun it again.
func (s *Set) fail(ctx context.Context, t Task, why error) (Task, error) {
	for range failAttempts {
		failed := t
		failed.Revision++
		failed.Updated = time.Now()
		failed.Instance = rand.Text() // nothing runs there; it tells whose write this is
		failed.Status, failed.Message, failed.Questions, failed.Call = Failed, lostMessage(why), nil, nil
		failed.Err = lostError(why)
		kept, err := s.put(ctx, failed)
		if err != nil {
			return Task{}, err
		}
		if same(&kept, &failed) {
			s.cfg.Log.Warn("task failed, as its node was lost", "task", short(t.ID), "node", t.Home)
			s.tell(kept, nil)
		}
		switch {
		case kept.Status.Terminal():
			return kept, nil
		case kept.Restarts != t.Restarts:
			return kept, errMoved
		}
		t = kept
	}
	return t, nil
}

// put writes a snapshot and returns what is kept then, which is another one when
// somebody else has ended the task or taken it over.
func (s *Set) put(ctx context.Context, t Task) (Task, error) {
	if err := s.cfg.Store.Put(ctx, t); err != nil {
		return Task{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if s.cfg.Nodes == nil {
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

// superseded reports whether what is kept is not t's home's any more: it is over,
// or another home's.
func (t *Task) superseded(kept *Task) bool {
	return kept.Status.Terminal() || kept.Restarts > t.Restarts ||
		kept.Restarts == t.Restarts && (kept.Home != t.Home || kept.Instance != t.Instance)
}

// seeToOrphans revives or fails every task whose home is lost, and reports
// whether that is not over with.
func (s *Set) seeToOrphans() (left bool) {
	if s.cfg.Nodes == nil {
		return false
	}
	lost := s.cfg.Store.All(s.lost)
	s.note(lost)
	for _, t := range lost {
		_, err := s.revive(s.base, t)
		switch {
		case err == nil:
		case errors.Is(err, errMoved):
			left = true
		case s.base.Err() == nil:
			s.lines.Log(s.cfg.Log, slog.LevelWarn, "task of a lost node not failed yet", "node", t.Home, "error", err)
			return left // so it is with the others; the next sweep tries again
		}
	}
	return left
}

// note remembers since when these tasks have been lost, and forgets all others.
func (s *Set) note(lost []Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.orphans
	s.orphans = make(map[orphan]time.Time, len(lost))
	for i := range lost {
		key := orphan{lost[i].ID, lost[i].Restarts}
		if since, ok := known[key]; ok {
			s.orphans[key] = since
		}
	}
}

// reconcile stops work whose task others have ended or taken over, taking this
// node for lost, and writes what could not be written before.
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
	return slices.Collect(maps.Values(s.live))
}

// check looks whether somebody else has ended the task or taken it over. It costs
// no message: a replicated store answers it from memory.
func (l *live) check(ctx context.Context) {
	if l.set.cfg.Nodes == nil {
		return
	}
	kept, err := l.set.cfg.Store.Get(ctx, l.id)
	if err != nil {
		return
	}
	l.mu.Lock()
	over := l.task.superseded(&kept)
	l.mu.Unlock()
	if over {
		l.adopt(kept)
	}
}

// adopt makes what another node has made of the task, its end or a new beginning,
// this one's view of it, and cancels the work.
func (l *live) adopt(kept Task) {
	l.mu.Lock()
	if l.moved || same(&l.shown, &kept) || same(&l.task, &kept) { // or about to be shown
		l.mu.Unlock()
		return
	}
	l.moved = !kept.Status.Terminal()
	l.task, l.waiting = kept, nil
	l.show(kept)
	moved := l.moved
	l.mu.Unlock()
	l.cancel(ErrLost)
	if moved {
		l.leave()
	}
}

// leave ends being what runs the task here.
func (l *live) leave() {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	if l.set.live[l.id] == l {
		delete(l.set.live, l.id)
	}
}

// gone reports whether the task is another node's by now.
func (l *live) gone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.moved
}
