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
	digest    digest          // of all items
	digests   digestSet       // of each
	names     *naming         // of the items, and their order
	conflicts map[string]bool // that have been logged
}

// item is one entry of a merged list.
type item struct {
	*entry
	source *source
	public string  // its key on common endpoints
	wish   wish    // what that would be if no other server had it already
	holder *source // whose name it would have had; nil for nobody's
	quoted Raw     // the server's own key as JSON
	down   string  // why it is marked; empty when it is not
	body   Raw     // under the public key, marked
	plain  Raw     // under the own endpoint's key, marked
	digest digest  // of public key, server, content and mark
}

// wish is what [publicName] gives an entry.
type wish struct {
	public string
	holder *source
}

// newRevision makes the revision that follows old, which is nil for the first.
func newRevision(old *revision, sources []*source, states []state, log *slog.Logger) *revision {
	r := &revision{states: states, superseded: make(chan struct{})}
	var digests []digest
	for p := range lists {
		if old != nil && r.sameAs(old, part(p)) {
			r.lists[p] = old.lists[p]
		} else {
			r.lists[p] = old.patched(part(p), sources, states)
			if r.lists[p] == nil {
				r.lists[p] = merge(part(p), sources, states, old)
				r.lists[p].logConflicts(old, part(p), log)
			}
		}
		digests = append(digests, r.lists[p].digest)
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
//
// What old has of an entry is taken over where it says the same.
func merge(p part, sources []*source, states []state, old *revision) *merged {
	finished := old.finished(p)
	m := &merged{names: &naming{}, conflicts: map[string]bool{}, items: make([]item, 0, len(finished)+1)}
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
		others := withOtherPrefix(s, sources)
		for _, it := range order {
			was := finished[&it.entry.item[0]]
			it.public = it.own
			if lists[p].renamed {
				it.setPublic(was, others, taken)
			}
			taken[it.public] = s
			if was != nil && was.public == it.public && was.down == known.down {
				it.quoted, it.body, it.plain, it.digest, it.down = was.quoted, was.body, was.plain, was.digest, was.down
			} else {
				it.finish(p, known.down)
			}
		}
	}
	digests := make([]digest, len(m.items))
	for i := range m.items {
		digests[i] = m.items[i].digest
	}
	m.digests = newDigestSet(digests)
	m.digest = m.digests.sum()
	return m
}

// finished returns the items of a list by where the bytes of their entries are:
// while a server's entry is the same its bytes are. A nil revision has none.
func (r *revision) finished(p part) map[*byte]*item {
	if r == nil {
		return nil
	}
	items := make(map[*byte]*item, len(r.lists[p].items))
	for i := range r.lists[p].items {
		it := &r.lists[p].items[i]
		items[&it.entry.item[0]] = it
	}
	return items
}

// finish makes the bodies and the digest of an item that has its public name.
func (it *item) finish(p part, down string) {
	it.plain, it.quoted, it.down = it.entry.item, jsonrpc.AppendString(nil, it.own), down
	if down != "" {
		meta, _ := jsonrpc.Get(it.plain, "_meta")
		it.plain = jsonrpc.Set(it.plain, "_meta", jsonrpc.Set(meta, MetaUnavailable, jsonrpc.AppendString(nil, down)))
	}
	it.body = it.plain
	if it.public != it.name {
		it.body = jsonrpc.Set(it.plain, lists[p].key, jsonrpc.AppendString(nil, it.public))
	}
	if lists[p].renamed && it.public != it.source.name+separator+it.wanted {
		it.body = titled(it.body, it.wanted)
	}
	h := sha256.New()
	for _, s := range []string{lists[p].member, it.public, it.source.name, down} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	h.Write(it.entry.digest[:])
	it.digest = digest(h.Sum(nil))
}

// setPublic gives a tool or prompt its public name. was is the same item of the
// revision before, nil for none.
func (it *item) setPublic(was *item, others []*source, taken map[string]*source) {
	if was != nil {
		it.wish = was.wish
	} else {
		it.wish.public, it.wish.holder = publicName(it.source.name, it.wanted, others)
	}
	it.public, it.holder = it.wish.public, it.wish.holder
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
