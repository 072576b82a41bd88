// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"slices"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// A server's list mostly says again what it said before. What was made of an item then
// is taken over, and where no name has come or gone so is everything that depends on the
// names: who has which, where they lead, which are shown.

// cleaned is what was made of one item, whatever else is in the list.
type cleaned struct {
	item   Raw    // as received
	digest digest // canonical
	entry  entry  // still without a name of its own
	taken  bool
	hides  bool // the own name must not be called
	faults []noted
}

// sameName reports whether two items are alike but for what they say.
func (m *cleaned) sameName(other *cleaned) bool {
	return m == other || m.taken == other.taken && m.hides == other.hides && m.entry.own == other.entry.own && m.entry.wanted == other.entry.wanted
}

// recall is a list that has been cleaned, looked through for the items of the next one.
type recall = jsonrpc.Recall[*cleaned]

func newRecall(made []*cleaned) *recall {
	return jsonrpc.NewRecall(made, func(m *cleaned) []byte { return m.item })
}

// recalled returns what was made of an item, nil when it was not there.
func recalled(r *recall, item Raw) *cleaned {
	if made, ok := r.Expect(func(text []byte) bool { return bytes.Equal(text, item) }); ok {
		return made
	}
	made, _ := r.LookUp(item)
	return made
}

// saysAgain reports whether items are the list.
func saysAgain(r *recall, items []Raw) bool {
	return r != nil && slices.EqualFunc(r.Items(), items, func(made *cleaned, item Raw) bool { return bytes.Equal(made.item, item) })
}

// naming stands for the names of the entries of a list, and their order: lists with the
// same have the same.
type naming struct {
	unsure bool // some name depends on the other entries, or an entry was left out for them
}

// again makes the entries of a list that has the names of the last one. It reports false
// when it has not. Changed gets those that say something else.
func (c *cleaner) again(last *shelf, items []*cleaned, changed func(before, now *entry)) ([]entry, bool) {
	if last == nil || last.names.unsure || !slices.EqualFunc(last.made, items, (*cleaned).sameName) {
		return nil, false
	}
	c.hidden, c.names = last.hidden, last.names
	c.begin()
	entries, n := slices.Clone(last.entries), 0
	for i, made := range items {
		c.repeat(made)
		if !made.taken {
			continue
		}
		if made != last.made[i] {
			entries[n] = made.entry
			c.call(&entries[n], last.entries[n].name)
			changed(&last.entries[n], &entries[n])
		}
		n++
	}
	return entries, true
}

// unlike returns the digests of the items that are not those of before.
func unlike(before, now []*cleaned) (from, to []digest) {
	for i, made := range now {
		if made != before[i] {
			from, to = append(from, before[i].digest), append(to, made.digest)
		}
	}
	return from, to
}

// repeat notes again what was wrong with an item.
func (c *cleaner) repeat(made *cleaned) {
	for _, f := range made.faults {
		c.warn(f.what, f.own, f.args...)
	}
}

// patched is merge for states in which all entries have the names they have in old, nil
// when they have not, or there is no old. What has not changed costs a comparison.
func (r *revision) patched(p part, sources []*source, states []state) *merged {
	if r == nil {
		return nil
	}
	for i := range states {
		if !sameNames(r.states[i][p].shelf, states[i][p].shelf) {
			return nil
		}
	}
	old := r.lists[p]
	m := &merged{names: old.names, conflicts: old.conflicts, items: slices.Clone(old.items)}
	var from, to []digest
	left := m.items
	for i := range sources {
		known := states[i][p]
		if known.shelf == nil {
			continue
		}
		items := left[:len(known.shelf.entries)]
		left = left[len(items):]
		if r.states[i][p] == known {
			continue
		}
		for j := range items {
			it, e := &items[j], &known.shelf.entries[j]
			same := it.down == known.down && &it.entry.item[0] == &e.item[0]
			if it.entry = e; !same {
				from = append(from, it.digest)
				it.finish(p, known.down)
				to = append(to, it.digest)
			}
		}
	}
	m.digests = old.digests.replaced(from, to)
	m.digest = m.digests.sum()
	return m
}

func sameNames(a, b *shelf) bool {
	return a == b || a != nil && b != nil && a.names == b.names
}
