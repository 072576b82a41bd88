// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Bounds of the pages kept per server.
const (
	maxLists     = 256
	maxListBytes = 32 << 20
)

// listCache keeps what a server listed, so that asking again does not start an
// instance that was stopped for being idle: without one nothing changes.
type listCache struct {
	mu    sync.Mutex
	pages map[string]rpc.Result
	bytes int
}

func (c *listCache) put(call *rpc.Call, res rpc.Result) {
	if !isCatalog(call.Method) || res.Body == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	page := call.Method + "\x00" + string(call.Params)
	size := sizeOf(page, res)
	if c.pages == nil || len(c.pages) >= maxLists || c.bytes+size > maxListBytes {
		c.pages, c.bytes = map[string]rpc.Result{}, 0
	}
	if size > maxListBytes {
		return
	}
	if old, ok := c.pages[page]; ok {
		c.bytes -= sizeOf(page, old)
	}
	c.pages[page] = res
	c.bytes += size
}

func sizeOf(page string, res rpc.Result) int {
	size := len(page) + len(res.Body)
	for _, entry := range res.Entries {
		size += len(entry)
	}
	return size
}

func (c *listCache) get(call *rpc.Call) (rpc.Result, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	res, ok := c.pages[call.Method+"\x00"+string(call.Params)]
	return whole(call, res), ok
}

func (c *listCache) forget() {
	c.mu.Lock()
	c.pages, c.bytes = nil, 0
	c.mu.Unlock()
}

// fromCache answers a list call while no instance runs that could answer it.
func (r *Remote) fromCache(call *rpc.Call) (rpc.Result, bool) {
	if r.cfg.Processes == nil || !isCatalog(call.Method) || r.pool.live() {
		return rpc.Result{}, false
	}
	res, ok := r.lists.get(call)
	if call.Method == mcp.MethodDiscover && !ok {
		return rpc.Result{}, false
	}
	return res, ok
}
