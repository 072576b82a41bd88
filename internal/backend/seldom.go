// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"sync"
	"time"
)

// seldomPause is the least time between two log lines about the same thing.
const seldomPause = time.Minute

// seldom keeps what servers or clients can repeat at will from filling the log.
// It is safe for concurrent use; the zero value is ready.
type seldom struct {
	mu   sync.Mutex
	next time.Time
	held int
}

// due reports whether it is time for a line, and how many there would have been
// since the last one.
func (s *seldom) due() (held int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Before(s.next) {
		s.held++
		return 0, false
	}
	held, s.held = s.held, 0
	s.next = now.Add(seldomPause)
	return held, true
}
