// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package throttle keeps the log readable when one thing goes wrong many times.
//
// It starts no goroutine.
package throttle

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// Pause is the least time between two lines of one kind.
	Pause = time.Minute
	// maxKinds bounds what is remembered; beyond it all is forgotten, and said again.
	maxKinds = 256
)

// Lines lets a line of each kind through at once, and then one per [Pause] with the
// number of those between. The zero value is ready for use, and it is safe for
// concurrent use.
type Lines struct {
	mu    sync.Mutex
	kinds map[string]*kind
}

type kind struct {
	at      time.Time // of the last line
	dropped int       // since then
}

// Log logs a line unless one with the same words was logged less than [Pause] ago.
// How many were left out since then stands in the attribute "repeated".
func (l *Lines) Log(log *slog.Logger, level slog.Level, words string, attrs ...any) {
	l.LogAs(words, log, level, words, attrs...)
}

// LogAs is Log for lines whose words differ although they are of one kind.
func (l *Lines) LogAs(kind string, log *slog.Logger, level slog.Level, words string, attrs ...any) {
	ok, dropped := l.admit(kind, time.Now())
	switch {
	case !ok:
		return
	case dropped > 0:
		attrs = append(attrs, "repeated", dropped)
	}
	log.Log(context.Background(), level, words, attrs...)
}

// admit reports whether a line of a kind is to be written, and how many have not
// been since the last one.
func (l *Lines) admit(name string, now time.Time) (ok bool, dropped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kinds[name]
	if k == nil {
		if l.kinds == nil || len(l.kinds) >= maxKinds {
			l.kinds = map[string]*kind{}
		}
		k = &kind{}
		l.kinds[name] = k
	}
	if !k.at.IsZero() && now.Sub(k.at) < Pause {
		k.dropped++
		return false, 0
	}
	dropped, k.dropped, k.at = k.dropped, 0, now
	return true, dropped
}
