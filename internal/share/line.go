// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package share

import "slices"

// Line is where callers wait for their share. Callers have turns, however many each
// of them waits for; what one caller waits for is served in order. The zero value
// is ready.
type Line struct {
	turns []*queue // of those who have waiters, next first
	by    map[Caller]*queue
	n     int
}

type queue struct {
	caller  Caller
	waiting []*Waiter
}

// Waiter is one place in a line.
type Waiter struct {
	// Granted is closed when it is the waiter's turn; it has left the line then.
	Granted chan struct{}
	q       *queue
}

// Add puts a caller's waiter in the line.
func (l *Line) Add(c Caller) *Waiter {
	q := l.by[c]
	if q == nil {
		q = &queue{caller: c}
		if l.by == nil {
			l.by = map[Caller]*queue{}
		}
		l.by[c] = q
		l.turns = append(l.turns, q)
	}
	w := &Waiter{Granted: make(chan struct{}), q: q}
	q.waiting = append(q.waiting, w)
	l.n++
	return w
}

// Leave takes a waiter out who gives up. It reports false when it has been granted.
func (l *Line) Leave(w *Waiter) bool {
	i := slices.Index(w.q.waiting, w)
	if i < 0 {
		return false
	}
	w.q.waiting = slices.Delete(w.q.waiting, i, i+1)
	l.n--
	if len(w.q.waiting) == 0 {
		l.drop(slices.Index(l.turns, w.q))
	}
	return true
}

// Next grants the waiter whose turn it is among those for whom fits returns true, and
// reports whether there was one. The caller has to be counted by fits or after.
func (l *Line) Next(fits func(Caller) bool) (Caller, bool) {
	for i, q := range l.turns {
		if !fits(q.caller) {
			continue
		}
		w := q.waiting[0]
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
		l.n--
		if len(q.waiting) == 0 {
			l.drop(i)
		} else { // others come first now
			l.turns = append(slices.Delete(l.turns, i, i+1), q)
		}
		close(w.Granted)
		return q.caller, true
	}
	return Caller{}, false
}

// drop forgets the i-th queue, which is empty.
func (l *Line) drop(i int) {
	delete(l.by, l.turns[i].caller)
	l.turns = slices.Delete(l.turns, i, i+1)
}

// Len returns how many wait.
func (l *Line) Len() int { return l.n }
