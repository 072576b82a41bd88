// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"context"
	"log/slog"
	"time"
)

// touch marks a change. l.mu is held; the caller flushes after unlocking.
func (l *live) touch() {
	l.task.Revision++
	l.task.Updated = time.Now()
	if len(l.waiting) > 0 {
		l.task.Status = InputRequired
	} else if !l.task.Status.Terminal() {
		l.task.Status = Working
	}
}

// show makes t what others see. l.mu is held.
func (l *live) show(t Task) {
	l.shown = t
	close(l.changed)
	l.changed = make(chan struct{})
}

// flush brings the store and the hooks up to date with every change made before
// it was called, or fails with the store's error. One goroutine does it at a
// time, for all: who comes meanwhile waits for that one.
func (l *live) flush() error {
	l.mu.Lock()
	want := l.task.Revision
	for l.flushing != nil && l.shown.Revision < want {
		running := l.flushing
		l.mu.Unlock()
		<-running
		l.mu.Lock()
	}
	var err error
	if l.flushing == nil {
		done := make(chan struct{})
		l.flushing = done
		for err == nil && l.shown.Revision < l.task.Revision {
			err = l.flushOne()
		}
		l.flushing = nil
		close(done)
	}
	over := l.ended && l.shown.Revision >= l.task.Revision
	l.mu.Unlock()
	if over { // from here on the store's snapshot is the last
		l.leave()
	}
	return err
}

// flushOne writes the task as it is now. l.mu is held, but not while writing.
func (l *live) flushOne() error {
	t := clone(l.task)
	l.mu.Unlock()
	kept, err := l.set.put(context.Background(), t)
	l.mu.Lock()
	switch {
	case err != nil:
		l.set.lines.Log(l.set.cfg.Log, slog.LevelWarn, "task state not stored", "error", err)
		return err
	case l.moved:
		return nil
	case same(&kept, &t):
	case t.superseded(&kept): // others took this node for lost, or were faster to take the task over
		l.mu.Unlock()
		l.adopt(kept)
		l.mu.Lock()
		return nil
	case kept.Restarts < t.Restarts: // the lost home had written more than was known here
		l.task.Revision = max(l.task.Revision, kept.Revision) + 1
		return nil
	}
	l.show(t)
	l.mu.Unlock()
	l.set.tell(clone(t), l.spec.Changed)
	l.mu.Lock()
	return nil
}

// retryAfter is the time between attempts to store what must be.
const retryAfter = 500 * time.Millisecond

// persist flushes until it succeeds, the task expires, or ctx ends.
func (l *live) persist(ctx context.Context) error {
	for {
		err := l.flush()
		if err == nil || !time.Now().Before(l.expires) {
			return nil
		}
		select {
		case <-time.After(retryAfter):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
