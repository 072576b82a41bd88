// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"hash/maphash"
)

// Recall looks through a list for the items of the one that came after it, which mostly
// says the same again. It expects items in their order, but for some that have come, gone
// or changed; only when many are not where they are expected it looks all up. It is for
// one goroutine at a time. A nil Recall has no items.
type Recall[T any] struct {
	items    []T
	text     func(T) []byte
	pos      int            // where the next item is expected
	missed   int            // items since then that were not there
	strays   int            // items that were not there, in all
	byDigest map[uint64]int // places of items, by their text; nil until there are many strays
}

const (
	// maxStrays is how many items may be somewhere else than expected before all are
	// looked up.
	maxStrays = 8
	// maxSkip is how far from where it is expected an item is looked for.
	maxSkip = 8
)

var seed = maphash.MakeSeed()

// NewRecall returns a Recall of items, which belong to it from now on. text returns the
// bytes that an item came as.
func NewRecall[T any](items []T, text func(T) []byte) *Recall[T] {
	return &Recall[T]{items: items, text: text}
}

// Items returns the list. It must not be modified.
func (r *Recall[T]) Items() []T {
	if r == nil {
		return nil
	}
	return r.items
}

// again begins another list at the place that the last one has reached.
func (r *Recall[T]) again() { r.missed, r.strays, r.byDigest = 0, 0, nil }

// Expect returns the item that is where the next one is expected, or behind those in whose
// place others have come, and whose text is the one meant.
func (r *Recall[T]) Expect(is func(text []byte) bool) (item T, ok bool) {
	if r == nil {
		return item, false
	}
	for i := r.pos; i < min(r.pos+min(r.missed+1, maxSkip)+1, len(r.items)); i++ {
		if is(r.text(r.items[i])) {
			r.pos, r.missed = i+1, 0
			return r.items[i], true
		}
	}
	return item, false
}

// LookUp returns the item with a text that is not where it was expected, wherever it was.
// The first ones are new for all it knows, since most are.
func (r *Recall[T]) LookUp(text []byte) (item T, ok bool) {
	if r == nil {
		return item, false
	}
	r.missed++
	if r.strays++; r.strays <= maxStrays || len(r.items) == 0 {
		return item, false
	}
	if r.byDigest == nil {
		r.byDigest = make(map[uint64]int, len(r.items))
		for i, item := range r.items {
			r.byDigest[maphash.Bytes(seed, r.text(item))] = i
		}
	}
	i, has := r.byDigest[maphash.Bytes(seed, text)]
	if !has || !bytes.Equal(r.text(r.items[i]), text) {
		return item, false
	}
	r.pos, r.missed = i+1, 0
	return r.items[i], true
}
