// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package share

import "slices"

// Line is where callers of kind C wait for their share. Callers have turns, however
// many each of them waits for; what one caller waits for is served in order. The zero
// value is ready.
type Line[C comparable] struct {
	turns []*queue[C] // of those who have waiters, next first
	by    map[C]*queue[C]
	n     int
}

type queue[C comparable] struct {
	caller  C
	waiting []*Waiter[C]
}

// Waiter is one place in a line.
type Waiter[C comparable] struct {
	// Granted is closed when it is the waiter's turn; it has left the line then.
	Granted chan struct{}
	q       *queue[C]
}

// Add puts a caller's waiter in the line.
func (l *Line[C]) Add(c C) *Waiter[C] {
	q := l.by[c]
	if q == nil {
		q = &queue[C]{caller: c}
		if l.by == nil {
			l.by = map[C]*queue[C]{}
		}
		l.by[c] = q
		l.turns = append(l.turns, q)
	}
	w := &Waiter[C]{Granted: make(chan struct{}), q: q}
	q.waiting = append(q.waiting, w)
	l.n++
	return w
}

// Leave takes a waiter out who gives up. It reports false when it has been granted.
func (l *Line[C]) Leave(w *Waiter[C]) bool {
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
func (l *Line[C]) Next(fits func(C) bool) (caller C, ok bool) {
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
	return caller, false
}

// drop forgets the i-th queue, which is empty.
func (l *Line[C]) drop(i int) {
	delete(l.by, l.turns[i].caller)
	l.turns = slices.Delete(l.turns, i, i+1)
}

// Len returns how many wait.
func (l *Line[C]) Len() int { return l.n }
