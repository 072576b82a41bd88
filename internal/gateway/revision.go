// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/sha256"
	"log/slog"
	"slices"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// MetaUnavailable is the key of an entry's _meta that says why the server behind
// it cannot be used now. Entries of servers that can have no such key.
const MetaUnavailable = "dev.holdfast/unavailable"

// state is what is known of one server.
type state [numParts]known

// revision is what all servers offer, as known at one moment. It is immutable
// but for superseded, which is closed when there is a newer one.
type revision struct {
	states     []state // by the sources' indices
	lists      [numLists]*merged
	digest     digest
	superseded chan struct{}
}

// merged is one list of all servers. A revision has the list of the one before
// when nothing in it changed.
type merged struct {
	items     []item
	conflicts map[string]bool // that have been logged
}

// item is one entry of a merged list.
type item struct {
	*entry
	source *source
	public string  // its key on common endpoints
	holder *source // whose name it would have had; nil for nobody's
	body   Raw     // under the public key, marked
	plain  Raw     // under the own endpoint's key, marked
	digest digest  // of public key, server, content and mark
}

// newRevision makes the revision that follows old, which is nil for the first.
func newRevision(old *revision, sources []*source, states []state, log *slog.Logger) *revision {
	r := &revision{states: states, superseded: make(chan struct{})}
	var digests []digest
	for p := range lists {
		if old != nil && r.sameAs(old, part(p)) {
			r.lists[p] = old.lists[p]
		} else {
			r.lists[p] = merge(part(p), sources, states)
			r.lists[p].logConflicts(old, part(p), log)
		}
		for i := range r.lists[p].items {
			digests = append(digests, r.lists[p].items[i].digest)
		}
	}
	r.digest = digestOf(digests)
	return r
}

// sameAs reports whether nothing is known of p that old does not know.
func (r *revision) sameAs(old *revision, p part) bool {
	return slices.EqualFunc(r.states, old.states, func(a, b state) bool { return a[p] == b[p] })
}

// settled reports whether every server has had its chance to answer everything.
func (r *revision) settled() bool {
	return !slices.ContainsFunc(r.states, func(s state) bool {
		return slices.ContainsFunc(s[:], func(k known) bool { return !k.tried })
	})
}

// merge lists what all servers offer of p, in the order of the configuration,
// then in the server's own order. Public names are handed out in the order of
// the configuration, then of the servers' names for the entries, so that who
// gets which depends on nothing else. Of two tools or prompts with the same
// public name the second gets a digest.
func merge(p part, sources []*source, states []state) *merged {
	m := &merged{conflicts: map[string]bool{}}
	taken := map[string]*source{}
	for i, s := range sources {
		known := states[i][p]
		if known.shelf == nil {
			continue
		}
		first := len(m.items)
		for j := range known.shelf.entries {
			m.items = append(m.items, item{entry: &known.shelf.entries[j], source: s})
		}
		order := make([]*item, 0, len(m.items)-first)
		for j := range m.items[first:] {
			order = append(order, &m.items[first+j])
		}
		slices.SortFunc(order, func(a, b *item) int { return compareNames(a.entry, b.entry) })
		others := withLongerPrefix(s, sources)
		for _, it := range order {
			it.public = it.own
			if lists[p].renamed {
				it.setPublic(others, taken)
			}
			taken[it.public] = s
			it.finish(p, known.down)
		}
	}
	return m
}

// finish makes the bodies and the digest of an item that has its public name.
func (it *item) finish(p part, down string) {
	it.plain = it.entry.item
	if down != "" {
		meta, _ := jsonrpc.Get(it.plain, "_meta")
		it.plain = jsonrpc.Set(it.plain, "_meta", jsonrpc.Set(meta, MetaUnavailable, jsonrpc.AppendString(nil, down)))
	}
	it.body = it.plain
	if it.public != it.name {
		it.body = jsonrpc.Set(it.plain, lists[p].key, jsonrpc.AppendString(nil, it.public))
	}
	h := sha256.New()
	for _, s := range []string{lists[p].member, it.public, it.source.name, down} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	h.Write(it.entry.digest[:])
	it.digest = digest(h.Sum(nil))
}

// setPublic gives a tool or prompt its public name.
func (it *item) setPublic(others []*source, taken map[string]*source) {
	it.public, it.holder = publicName(it.source.name, it.wanted, others)
	if holder := taken[it.public]; holder != nil {
		it.public, it.holder = withDigest(it.public, it.source.name+"\x00"+it.own), holder
	}
}

// logConflicts tells of entries that another server's stand in the way of: of
// resources, which on common endpoints the first server serves, and of names. Each
// is told once.
func (m *merged) logConflicts(old *revision, p part, log *slog.Logger) {
	first, lines := map[string]*source{}, 0
	tell := func(it *item, what string, args ...any) {
		key := it.source.name + "\x00" + it.own
		m.conflicts[key] = true
		if old != nil && old.lists[p].conflicts[key] {
			return
		}
		if lines++; lines <= maxLines {
			log.Warn(what, args...)
		}
	}
	for i := range m.items {
		it := &m.items[i]
		kept, taken := first[it.public]
		if !taken {
			first[it.public] = it.source
		}
		switch noun := lists[p].noun; {
		case taken:
			tell(it, "entry hidden by another server's", "list", lists[p].member, "uri", display.Short(it.public), "server", it.source.name, "kept", kept.name)
		case it.holder != nil:
			tell(it, "public name changed: it would be another's", noun, display.Short(it.own), "server", it.source.name, "other", it.holder.name, "to", it.public)
		}
	}
}
