// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"time"
)

const (
	// firstRetry is how soon a failed question is asked again. After that as much time
	// passes each time as has since the first failure, up to maxRetry times Fresh: a
	// server is asked after 1, 2, 4, 8 … seconds.
	firstRetry = time.Second
	maxRetry   = 10
	// settling is how long calls of a server that began to fail wait for it: it may be
	// starting, or its node may.
	settling = 5 * time.Second
)

// fail notes a failed question.
func (a *asking) fail(err error) {
	a.failed, a.failure = time.Now(), err
	if a.failing.IsZero() {
		a.failing = a.failed
	}
}

// onceMore reports whether the question has to be asked again now, and sees to
// it that a failed one is asked again later: in growing steps, since nobody may
// look at the list meanwhile and a client waits to be told.
func (c *Catalog) onceMore(s *source, p part) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &s.parts[p]
	if a.again && !c.closed {
		return true
	}
	a.running = false
	if a.ended != nil {
		close(a.ended)
		a.ended = nil
	}
	if a.down != "" && !s.final {
		c.retryLocked(s, p, min(max(time.Since(a.failing), firstRetry), maxRetry*c.cfg.Fresh))
	}
	return false
}

// retryLocked asks a server again after a pause, instead of when it would have been. It is
// called with the lock held.
func (c *Catalog) retryLocked(s *source, p part, pause time.Duration) {
	a := &s.parts[p]
	a.stopRetry()
	if c.closed {
		return
	}
	a.retryAt = time.Now().Add(pause)
	a.retry = time.AfterFunc(pause, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.askLocked(s, p)
	})
}

func (a *asking) stopRetry() {
	if a.retry != nil {
		a.retry.Stop()
		a.retry = nil
	}
}

// await has a server asked again that failed, for somebody calls it, unless it was asked
// within the last second. Only when it began to fail a moment ago, see [settling], await
// waits for the answer. It reports whether p of it is known now.
func (c *Catalog) await(ctx context.Context, s *source, p part) bool {
	for {
		r := c.revision.Load()
		if r.states[s.index][p].shelf != nil {
			return true
		}
		ended, patience := c.askSoon(s, p)
		if patience <= 0 {
			return false
		}
		timer := time.NewTimer(patience)
		select {
		case <-ended:
		case <-r.superseded:
		case <-timer.C:
		case <-ctx.Done():
		case <-c.ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil || c.ctx.Err() != nil {
			return false
		}
	}
}

// askSoon has a server that failed asked again, a second after it did at the soonest. It
// returns how long a call should wait at most, and what is closed when it has been asked.
func (c *Catalog) askSoon(s *source, p part) (ended <-chan struct{}, patience time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &s.parts[p]
	if a.shelf != nil { // the next revision has it
		return nil, settling
	}
	if a.failure == nil {
		return nil, 0
	}
	patience = settling - time.Since(a.failing)
	pause := firstRetry - time.Since(a.failed)
	switch {
	case a.running:
	case pause <= 0:
		c.askLocked(s, p)
	case patience > 0 && time.Until(a.retryAt) > pause:
		c.retryLocked(s, p, pause)
	}
	if a.ended == nil && patience > 0 {
		a.ended = make(chan struct{})
	}
	return a.ended, patience
}
