// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"fmt"
	"sync/atomic"
	"time"
)

const (
	floodWindow = 10 * time.Second
	// floodLimit is how many notifications outside any call an instance may send in
	// a window. Reading them costs the healthy servers' time.
	floodLimit = 20_000
)

// flood counts the notifications of one instance that belong to no call. It is
// for one goroutine, that of the client's handlers.
type flood struct {
	since time.Time
	count int
	over  atomic.Bool
}

// full counts one more and reports whether it is the first over the limit.
func (f *flood) full(now time.Time) bool {
	if now.Sub(f.since) > floodWindow {
		f.since, f.count = now, 0
	}
	f.count++
	return f.count > floodLimit && f.over.CompareAndSwap(false, true)
}

// stray ends an instance that floods.
func (r *Remote) stray(l *link) {
	if !l.strays.full(time.Now()) {
		return
	}
	err := &told{text: fmt.Sprintf("stopped: it sent more than %d notifications in %s that belong to no call", floodLimit, floodWindow)}
	r.cfg.Log.Warn("server floods", "server", r.cfg.Name, "error", err)
	r.pool.lost(l)
	r.breaker.failure(err, failedStart)
}
