// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"sync"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// listed takes lists apart for calls that want their entries. It is safe for concurrent
// use.
type listed struct {
	mu      sync.Mutex
	entries *jsonrpc.Entries // nil before the first such call
}

var listMembers = []string{
	mcp.ListMember(mcp.MethodListTools), mcp.ListMember(mcp.MethodListPrompts),
	mcp.ListMember(mcp.MethodListResources), mcp.ListMember(mcp.MethodListResourceTemplates),
}

// minListed is how long a message is, in bytes, that is worth taking apart.
const minListed = 16 << 10

// want notes that a call wants entries.
func (l *listed) want(limits jsonrpc.Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries == nil {
		l.entries = jsonrpc.NewEntries(limits, listMembers...)
	}
}

func (l *listed) decode(data []byte) (jsonrpc.Message, bool) {
	if len(data) < minListed {
		return jsonrpc.Message{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries == nil {
		return jsonrpc.Message{}, false
	}
	return l.entries.Decode(data)
}

// resultOf returns the result that m brings to f, which gets its entries apart from it
// if it wants that.
func (f *flight) resultOf(m *jsonrpc.Message) Raw {
	if m.List == nil || f.req.opts.Entries == nil {
		return m.Result
	}
	f.entries = m.List.Entries
	f.req.opts.Entries(m.List.Entries)
	return m.List.Rest
}

// entriesSize returns how many bytes were taken out of the result.
func (f *flight) entriesSize() int {
	size := 0
	for _, entry := range f.entries {
		size += len(entry)
	}
	return size
}
