// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/jsonform"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// item is an entry of a catalog; its JSON is what lists show.
type item interface {
	key() string
	listed() Raw // nil when lists do not show it
}

// catalog is a list of items in the order of their first registration. Readers
// work on an immutable revision that is built by the first of them after a
// change.
type catalog[T item] struct {
	method, member string
	pageSize       int
	ring           *seal.Ring
	cache          mcp.CacheHint
	spelling       func(key string) string // the same for keys that mean the same; may be nil

	current atomic.Pointer[revision[T]] // nil after a change

	mu    sync.Mutex
	ever  bool // something was registered once: the capability stays
	seq   uint64
	items map[string]entry[T]
}

type entry[T item] struct {
	seq   uint64 // of the first registration; replacing keeps it
	value T
}

// revision is a catalog at one moment.
type revision[T item] struct {
	ever   bool
	byKey  map[string]T
	spelt  map[string]T // by the spelling of keys, where that is another
	order  []T
	listed []entry[T]

	mu    sync.Mutex
	pages map[int]Raw // encoded pages by the index of their first entry
}

func (c *catalog[T]) init(s *Server, method, member string) {
	c.method, c.member = method, member
	c.pageSize, c.ring, c.cache = s.pageSize, s.ring, s.listCache
	c.items = map[string]entry[T]{}
}

// put adds or replaces an item and returns the one that was there.
func (c *catalog[T]) put(value T) (old T, replaced bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, replaced := c.items[value.key()]
	old = e.value
	if !replaced {
		c.seq++
		e.seq = c.seq
	}
	e.value = value
	c.items[value.key()] = e
	c.ever = true
	c.current.Store(nil)
	return old, replaced
}

// remove takes items away and returns them.
func (c *catalog[T]) remove(keys ...string) []T {
	c.mu.Lock()
	defer c.mu.Unlock()
	var removed []T
	for _, k := range keys {
		if e, ok := c.items[k]; ok {
			removed = append(removed, e.value)
			delete(c.items, k)
		}
	}
	if removed != nil {
		c.current.Store(nil)
	}
	return removed
}

// revision returns the catalog as it is now.
func (c *catalog[T]) revision() *revision[T] {
	if r := c.current.Load(); r != nil {
		return r
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.current.Load(); r != nil {
		return r
	}
	entries := make([]entry[T], 0, len(c.items))
	for _, e := range c.items {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry[T]) int { return int(int64(a.seq - b.seq)) })
	r := &revision[T]{ever: c.ever, byKey: make(map[string]T, len(entries)), pages: map[int]Raw{}}
	for _, e := range entries {
		r.byKey[e.value.key()] = e.value
		if c.spelling != nil {
			r.spell(c.spelling(e.value.key()), e.value)
		}
		r.order = append(r.order, e.value)
		if e.value.listed() != nil {
			r.listed = append(r.listed, e)
		}
	}
	c.current.Store(r)
	return r
}

// spell notes that a value is known by another spelling of its key.
func (r *revision[T]) spell(spelling string, value T) {
	if spelling == value.key() {
		return
	}
	if r.spelt == nil {
		r.spelt = map[string]T{}
	}
	r.spelt[spelling] = value
}

// get returns the item with the given key, or with one that means the same.
func (c *catalog[T]) get(key string) (T, bool) {
	r := c.revision()
	v, ok := r.byKey[key]
	if ok || c.spelling == nil {
		return v, ok
	}
	spelling := c.spelling(key)
	if v, ok = r.byKey[spelling]; !ok {
		v, ok = r.spelt[spelling]
	}
	return v, ok
}

// used reports whether the catalog has ever had an item.
func (c *catalog[T]) used() bool { return c.revision().ever }

// list answers the catalog's list method with the page the cursor names.
//
// spec 2026-07-28 server/utilities/pagination.
func (c *catalog[T]) list(call *rpc.Call) (rpc.Result, error) {
	r := c.revision()
	if !r.ever {
		return rpc.Result{}, notOffered(call.Method)
	}
	from, err := c.start(r, call.Params)
	if err != nil {
		return rpc.Result{}, err
	}
	return rpc.Result{Body: c.page(r, from), Cache: c.cache}, nil
}

// listOf is list for a caller that sees only what visible says. Its pages are made
// for it alone.
func (c *catalog[T]) listOf(call *rpc.Call, visible func(T) bool) (rpc.Result, error) {
	r := c.revision()
	if !r.ever {
		return rpc.Result{}, notOffered(call.Method)
	}
	from, err := c.start(r, call.Params)
	if err != nil {
		return rpc.Result{}, err
	}
	var seen []entry[T] // one more than fits, which says that there is another page
	for _, e := range r.listed[from:] {
		if visible(e.value) {
			if seen = append(seen, e); len(seen) > c.pageSize {
				break
			}
		}
	}
	return rpc.Result{Body: c.encode(seen), Cache: c.cache}, nil
}

// start returns the index of the first entry after the cursor in params.
func (c *catalog[T]) start(r *revision[T], params Raw) (int, error) {
	raw, ok := jsonrpc.Get(params, "cursor")
	if !ok || raw.Kind() == 'n' {
		return 0, nil
	}
	last, err := openCursor(c.ring, c.method, raw)
	if err != nil {
		return 0, err
	}
	i, _ := slices.BinarySearchFunc(r.listed, last+1, func(e entry[T], seq uint64) int {
		return int(int64(e.seq - seq))
	})
	return i, nil
}

// page returns the encoded page that begins at the given index. It is encoded
// once per revision.
func (c *catalog[T]) page(r *revision[T], from int) Raw {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.pages[from]; p != nil {
		return p
	}
	p := c.encode(r.listed[from:])
	r.pages[from] = p
	return p
}

// encode returns the page that entries begin with.
func (c *catalog[T]) encode(entries []entry[T]) Raw {
	page := entries[:min(c.pageSize, len(entries))]
	p := append(Raw(`{"`), c.member...)
	p = append(p, `":[`...)
	for i, e := range page {
		if i > 0 {
			p = append(p, ',')
		}
		p = append(p, e.value.listed()...)
	}
	p = append(p, ']')
	if len(page) < len(entries) {
		p = append(p, `,"nextCursor":`...)
		p = jsonrpc.AppendString(p, sealCursor(c.ring, c.method, page[len(page)-1].seq))
	}
	return append(p, '}')
}

func sealCursor(ring *seal.Ring, method string, position uint64) string {
	return ring.Seal(seal.Cursor, method, binary.BigEndian.AppendUint64(nil, position))
}

func openCursor(ring *seal.Ring, method string, raw Raw) (uint64, error) {
	token, ok := jsonrpc.Unquote(raw)
	if !ok {
		return 0, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "cursor must be a string")
	}
	plain, err := ring.Open(seal.Cursor, method, token)
	if err != nil || len(plain) != 8 {
		return 0, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "invalid cursor")
	}
	return binary.BigEndian.Uint64(plain), nil
}

// marshal encodes v, with maps in a fixed order so that equal values have equal bytes.
func marshal(v any) (Raw, error) { return json.Marshal(v, json.Deterministic(true), jsonform.Forms) }
