// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
)

// keyOf names an owner's instances between nodes. It tells nothing about the owner.
func keyOf(server, whose string) string {
	sum := sha256.Sum256([]byte(server + "\x00" + whose))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// score is a node's weight for a key.
func score(key, node string) uint64 {
	sum := sha256.Sum256([]byte(key + "\x00" + node))
	return binary.BigEndian.Uint64(sum[:8])
}

// outranks reports whether one claim to a key wins over another.
func outranks(key, node string, generation uint64, over string, overGeneration uint64) bool {
	if generation != overGeneration {
		return generation > overGeneration
	}
	return score(key, node) > score(key, over)
}

// rendezvous returns the ready member with the highest score that is not in
// not; "" when there is none. A member that comes or goes changes it only for
// the keys that are or were its own.
func rendezvous(key string, members []nodes.Member, not map[string]bool) string {
	best, high := "", uint64(0)
	for _, m := range members {
		if !m.Ready || not[m.Name] {
			continue
		}
		if s := score(key, m.Name); best == "" || s > high {
			best, high = m.Name, s
		}
	}
	return best
}

const (
	maxHomes   = 64 << 10 // keys of one server whose homes are remembered
	firstSweep = 1024     // keys held at which those without an instance are dropped first
)

// table knows the homes of one server's keys. It is safe for concurrent use and
// starts no goroutine.
type table struct {
	self string

	mu      sync.Mutex
	held    map[string]*holding
	claims  map[string]*claim
	homes   map[string]home
	parting map[string]struct{} // nodes that have given their homes up
	sweepAt int
}

// holding is a key whose home is here.
type holding struct {
	key, whose string
	generation uint64
	// guarded by the table's mu:
	calls int
	turns uint64 // calls so far
	lost  bool   // an instance ended elsewhere, and nobody has been told
}

// home is where a key is, or was.
type home struct {
	node       string
	generation uint64
	firm       bool // it was announced; else the node is claiming the key
}

// claim is one under way here.
type claim struct {
	done chan struct{}
	// guarded by the table's mu until done:
	yielded string // to a node with a better claim
	node    string
	err     error
}

func newTable(self string) *table {
	return &table{self: self, held: map[string]*holding{}, claims: map[string]*claim{}, homes: map[string]home{}, parting: map[string]struct{}{}, sweepAt: firstSweep}
}

// enter counts a call of a key whose home is here, until leave.
func (t *table) enter(key string) (h *holding, lost bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h = t.held[key]; h == nil {
		return nil, false
	}
	h.calls++
	h.turns++
	lost, h.lost = h.lost, false
	return h, lost
}

func (t *table) leave(h *holding) {
	t.mu.Lock()
	h.calls--
	t.mu.Unlock()
}

func (t *table) holds(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held[key] != nil
}

// where returns the key's home as far as it is known.
func (t *table) where(key string) home {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.homes[key]
}

// part notes that a node has given its homes up, returned that it is anew.
func (t *table) part(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.parting[node] = struct{}{}
}

func (t *table) returned(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.parting, node)
}

func (t *table) parted(node string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, parted := t.parting[node]
	return parted
}

// hint notes a home that has not been announced here.
func (t *table) hint(key, node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held[key] == nil {
		t.remember(key, home{node, t.homes[key].generation, t.homes[key].firm})
	}
}

// remember keeps a home. t.mu is held.
func (t *table) remember(key string, h home) {
	if _, has := t.homes[key]; !has && len(t.homes) >= maxHomes {
		for other := range t.homes { // any: it is found again by asking
			delete(t.homes, other)
			break
		}
	}
	t.homes[key] = h
}

// begin returns the claim of key that is under way, or a new one.
func (t *table) begin(key string) (c *claim, fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.claims[key]; c != nil {
		return c, false
	}
	c = &claim{done: make(chan struct{})}
	if t.held[key] != nil { // since the caller looked
		c.node = t.self
		close(c.done)
		return c, false
	}
	t.claims[key] = c
	return c, true
}

// found is what the members said of a key.
type found struct {
	holder     string
	will       string // claims it too, with a higher hash
	known      bool   // somebody knows a home it had
	generation uint64
	apart      bool // this node may be cut off from those who know better
	err        error
}

// settle ends a claim. It returns the holding if the key's home is now here. One
// that was claimed without a majority is of no generation: when the others are
// there again, the instance that they have kept is the one that counts.
func (t *table) settle(key, whose string, c *claim, f found) *holding {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer close(c.done)
	delete(t.claims, key)
	was := t.homes[key]
	switch {
	case f.holder != "":
		c.node = f.holder
	case c.yielded != "":
		c.node = c.yielded
	case f.will != "":
		c.node = f.will
	case f.err != nil:
		c.err = f.err
		return nil
	}
	if c.node != "" {
		if !was.firm || was.node != c.node {
			t.remember(key, home{c.node, max(was.generation, f.generation), was.firm})
		}
		return nil
	}
	c.node = t.self
	h := &holding{key: key, whose: whose, generation: 1 + max(was.generation, f.generation), lost: f.known || was.firm}
	if f.apart {
		h.generation = 0
	}
	t.held[key] = h
	t.remember(key, home{t.self, h.generation, true})
	return h
}

// asked answers another node's claim: whether the key is held here, or will be,
// and where its home is if that is known to live. Who asks is remembered as the
// home to be, unless such a one is known.
func (t *table) asked(key, from, lives string) *envelope {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := t.held[key]; h != nil {
		return &envelope{Kind: kindHeld, Holds: true, Known: true, Generation: h.generation}
	}
	was := t.homes[key]
	said := &envelope{Kind: kindHeld, Known: was.firm, Generation: was.generation}
	if was.firm && was.node == lives {
		said.To = lives
	}
	if c := t.claims[key]; c != nil {
		if c.yielded == "" && score(key, t.self) > score(key, from) {
			said.Will = true
			return said
		}
		if c.yielded == "" || score(key, from) > score(key, c.yielded) {
			c.yielded = from
		}
		return said
	}
	if lives == "" || was.node != lives {
		t.remember(key, home{from, was.generation, was.firm})
	}
	return said
}

// announced takes in that a key's home is at a node. It returns the holding
// that must be given up here for it, or whether the other is to be told that the
// home is here.
func (t *table) announced(key, node string, generation uint64) (gaveUp *holding, insist bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := t.held[key]; h != nil {
		if !outranks(key, node, generation, t.self, h.generation) {
			return nil, true
		}
		delete(t.held, key)
		gaveUp = h
	}
	if c := t.claims[key]; c != nil {
		c.yielded = node
	}
	if generation >= t.homes[key].generation {
		t.remember(key, home{node, generation, true})
	}
	return gaveUp, false
}

// forget drops a key whose owner is gone.
func (t *table) forget(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.held, key)
	delete(t.homes, key)
}

// all returns the keys held here.
func (t *table) all() []heldKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := make([]heldKey, 0, len(t.held))
	for key, h := range t.held {
		keys = append(keys, heldKey{key, h.generation})
	}
	return keys
}

// sweep drops keys that have no instance any more, once in a while: the next
// claim may find another home. running is called without locks.
func (t *table) sweep(running func(whose string) bool) {
	t.mu.Lock()
	if len(t.held) < t.sweepAt {
		t.mu.Unlock()
		return
	}
	type idle struct {
		h     *holding
		turns uint64
	}
	var candidates []idle
	for _, h := range t.held {
		if h.calls == 0 {
			candidates = append(candidates, idle{h, h.turns})
		}
	}
	t.mu.Unlock()
	var over []idle
	for _, c := range candidates {
		if !running(c.h.whose) {
			over = append(over, c)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range over {
		if t.held[c.h.key] == c.h && c.h.turns == c.turns {
			delete(t.held, c.h.key)
		}
	}
	t.sweepAt = max(firstSweep, 2*len(t.held))
}
