// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

// unchanged returns, for each item of a list, the entry that a shelf made of the
// same bytes before, nil where there is none. A server that changes one tool of a
// thousand lists all of them again: what stays as it was is not looked at twice,
// nor logged.
func unchanged(items []Raw, last *shelf) []*entry {
	same := make([]*entry, len(items))
	if last == nil {
		return same
	}
	known := make(map[string]*entry, len(last.entries))
	for i := range last.entries {
		known[string(last.entries[i].raw)] = &last.entries[i]
	}
	for i, item := range items {
		same[i] = known[string(item)]
	}
	return same
}

// again returns the entry that was made of an item before, unless it got another
// name because of its neighbours: they may be others now.
func (c *cleaner) again(i int) (entry, bool) {
	if i >= len(c.same) || c.same[i] == nil || c.same[i].name != c.same[i].own {
		return entry{}, false
	}
	return *c.same[i], true
}
