// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/process"
)

const (
	// maxStart bounds what StartTimeout grows to after starts that took too long.
	maxStart = 10 * time.Minute
	// firstStart is how often its limit a first start may take in all.
	firstStart = 10
	// lookInterval is the time between two looks at what a start does.
	lookInterval = 200 * time.Millisecond
)

// startWatch watches one start of an instance. A first start may have to
// install the server: as long as it makes progress its time begins anew.
type startWatch struct {
	limit  time.Duration // as the server has it now
	first  bool          // no instance has been up yet
	next   time.Duration // limit of the start after this one, should it fail
	leave  func()        // gives its place among the starts back
	starts *Starts       // among which it has it; nil for none
	up     atomic.Pointer[Launched]
}

// watchStart returns the watch of the next start.
func (r *Remote) watchStart(leave func()) *startWatch {
	slow := r.slowStarts.Load()
	return &startWatch{limit: r.startLimit(slow), next: r.startLimit(slow + 1), first: !r.served.Load(), leave: leave, starts: r.cfg.Starts}
}

// startLimit is StartTimeout doubled for each start in a row that took too long.
func (r *Remote) startLimit(slow int32) time.Duration {
	limit := r.cfg.StartTimeout
	for most := max(limit, maxStart); slow > 0 && limit < most; slow-- {
		limit = min(2*limit, most)
	}
	return limit
}

// probeTimeout bounds each step of a greeting. Of a process only the watch of its start does, as
// nobody knows at which step it is installed.
func (r *Remote) probeTimeout() time.Duration {
	if r.cfg.Processes == nil {
		return r.cfg.StartTimeout
	}
	return firstStart * max(r.cfg.StartTimeout, maxStart)
}

// run ends a start that takes too long, with a [slowStartError], and gives its place to
// others once it only waits. It returns when ctx ends.
func (w *startWatch) run(ctx context.Context, end context.CancelCauseFunc) {
	began := time.Now()
	moved, seen := began, process.Activity{}
	timer := time.NewTimer(min(lookInterval, w.limit))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		now := time.Now()
		if up := w.up.Load(); up != nil && up.Activity != nil {
			is := up.Activity()
			if w.first && is.Progress(seen) {
				moved = now
			}
			if w.starts != nil {
				w.starts.report(is.CPU-seen.CPU, now)
			}
			if !is.Progress(seen) && !is.Busy || is.CPU >= placeCPU {
				w.leave()
			}
			seen = is
		}
		if now.Sub(began) >= placeFor {
			w.leave()
		}
		left := min(w.limit-now.Sub(moved), firstStart*w.limit-now.Sub(began))
		if left <= 0 {
			end(&slowStartError{after: now.Sub(began), quiet: now.Sub(moved), limit: w.limit, next: w.next})
			return
		}
		timer.Reset(min(lookInterval, left))
	}
}

// slowStartError is the end of a start that took too long. It is an errNotReady.
type slowStartError struct {
	after, quiet time.Duration // since it began, and since it last made progress
	limit, next  time.Duration
}

// Error says what the limit is, and that the next one is longer.
func (e *slowStartError) Error() string {
	text := fmt.Sprintf("%v after %s", errNotReady, e.after.Round(time.Second/10))
	if e.quiet < e.after {
		text += fmt.Sprintf(", the last %s without progress", e.quiet.Round(time.Second/10))
	}
	text += fmt.Sprintf(", so it was stopped: startTimeout is %s now", e.limit)
	if e.next > e.limit {
		text += fmt.Sprintf(", and %s at the next try", e.next)
	}
	return text
}

func (e *slowStartError) Unwrap() error { return errNotReady }

// told is what clients are told of it.
func (e *slowStartError) told() string {
	return fmt.Sprintf("%v within %s (startTimeout)", errNotReady, e.limit)
}
