// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/share"
)

// A task is kept for its time, as clients are told. When there are too many, those
// make room of which the client has the outcome: a server whose clients fetch their
// results takes new tasks, however long the old ones might be kept.

// deliveredGrace is how long after its delivery an outcome is kept in any case, for a
// client that did not get the answer.
const deliveredGrace = 10 * time.Second

// delivery is a task whose outcome a client has been given.
type delivery struct {
	id     string
	holder share.Caller
	at     time.Time
	until  time.Time // the task expires
}

// Delivered notes that the owner of a task in a final state has been given its
// outcome: from now on the task may make room for others. Only the Set that is told
// knows it.
func (s *Set) Delivered(t *Task) {
	if !t.Status.Terminal() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.isDelivered[t.ID]; twice {
		return
	}
	if len(s.delivered) >= s.cfg.Total { // there are no more tasks than that
		delete(s.isDelivered, s.delivered[0].id)
		s.delivered = s.delivered[1:]
	}
	s.isDelivered[t.ID] = struct{}{}
	s.delivered = append(s.delivered, delivery{t.ID, t.Holder(), time.Now(), t.Expires()})
}

// forgetDelivered drops what is known of tasks that have expired.
func (s *Set) forgetDelivered(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delivered = slices.DeleteFunc(s.delivered, func(d delivery) bool {
		gone := !now.Before(d.until)
		if gone {
			delete(s.isDelivered, d.id)
		}
		return gone
	})
}

// create creates a task, in place of delivered ones if there are too many.
func (s *Set) create(ctx context.Context, t Task) error {
	for {
		err := s.cfg.Store.Create(ctx, t, s.cfg.PerPrincipal, s.cfg.Total)
		if !errors.Is(err, ErrFull) {
			return err
		}
		id := s.spare(t.Holder())
		if id == "" {
			s.refused(err)
			return err
		}
		if err := s.cfg.Store.Forget(ctx, id); err != nil {
			return err
		}
	}
}

// spare returns the delivered task that makes room for a caller's, "" when there is
// none: the oldest one of its own, else of its group, else of all.
func (s *Set) spare(c share.Caller) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ripe := time.Now().Add(-deliveredGrace)
	best, near := -1, 0
	for i, d := range s.delivered {
		if d.at.After(ripe) {
			break
		}
		how := 1
		switch {
		case d.holder == c:
			how = 3
		case d.holder.Group == c.Group:
			how = 2
		}
		if how > near {
			best, near = i, how
		}
		if near == 3 {
			break
		}
	}
	if best < 0 {
		return ""
	}
	id := s.delivered[best].id
	s.delivered = slices.Delete(s.delivered, best, best+1)
	delete(s.isDelivered, id)
	return id
}

// refusedPause is the least time between two log lines about refused tasks.
const refusedPause = time.Minute

// refused logs that a task was refused, now and then.
func (s *Set) refused(err error) {
	s.mu.Lock()
	now := time.Now()
	due := !now.Before(s.nextRefusal)
	count := s.refusals
	if s.refusals++; due {
		s.refusals, s.nextRefusal = 0, now.Add(refusedPause)
	}
	s.mu.Unlock()
	if due {
		s.cfg.Log.Warn("task refused", "error", err, "refused before", count)
	}
}
