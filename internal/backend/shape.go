// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// shaped remembers what became of the tools of an instance's pages when they were
// brought into the inner model's shape. It is safe for concurrent use; the zero value is
// ready.
type shaped struct {
	mu    sync.Mutex
	pages map[string]map[*byte]Raw // by the params that ask for the page, then by where the bytes are
}

// entries brings the entries of a page into the inner model's shape. One that was on the
// page before, in the same memory, is what it became then.
func (r *Remote) entries(l *link, method string, params Raw, page []Raw) []Raw {
	if method != mcp.MethodListTools {
		return page
	}
	l.shaped.mu.Lock()
	defer l.shaped.mu.Unlock()
	before := l.shaped.pages[string(params)]
	now, up := make(map[*byte]Raw, len(page)), make([]Raw, len(page))
	for i, tool := range page {
		is := before[&tool[0]]
		if is == nil {
			is = mcp.UpTool(l.features(), tool)
			if l.offersTasks() {
				is = r.learnTool(l, is)
			}
		}
		up[i], now[&tool[0]] = is, is
	}
	if l.shaped.pages == nil || len(l.shaped.pages) >= maxLists {
		l.shaped.pages = map[string]map[*byte]Raw{}
	}
	l.shaped.pages[string(params)] = now
	return up
}

// whole returns a result with its entries in their place, for a call that does not take
// them apart from it.
func whole(call *rpc.Call, res rpc.Result) rpc.Result {
	if res.Entries == nil || call.AllowEntries {
		return res
	}
	all := Raw("[")
	for i, entry := range res.Entries {
		if i > 0 {
			all = append(all, ',')
		}
		all = append(all, entry...)
	}
	res.Body, res.Entries = jsonrpc.Set(res.Body, mcp.ListMember(call.Method), append(all, ']')), nil
	return res
}
