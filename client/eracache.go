// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"sync"

	"github.com/holdfast-mcp/holdfast/mcp"
)

// Learnt is what a client found out about a server.
type Learnt struct {
	Version mcp.Version `json:"version"`
	SSE     bool        `json:"sse,omitzero"` // it speaks HTTP+SSE, not Streamable HTTP
}

// EraCache remembers what servers speak, so that the next connection need not
// probe. Its key is the server's URL without query. What it says is verified by
// use: a client that meets something else probes anew. It must be safe for
// concurrent use and may persist.
//
// spec 2026-07-28 basic/versioning: the era is a property of the server.
type EraCache interface {
	Recall(server string) (Learnt, bool)
	Remember(server string, l Learnt)
	Forget(server string)
}

// maxEras bounds a memory cache; beyond it an arbitrary entry is forgotten.
const maxEras = 4096

// sharedEras is the default cache of all clients of the process.
var sharedEras = NewEraCache()

type memoryEras struct {
	mu  sync.Mutex
	all map[string]Learnt
}

// NewEraCache returns a cache in memory of at most 4096 servers.
func NewEraCache() EraCache { return &memoryEras{all: map[string]Learnt{}} }

func (m *memoryEras) Recall(server string) (Learnt, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.all[server]
	return l, ok
}

func (m *memoryEras) Remember(server string, l Learnt) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.all[server]; !known && len(m.all) >= maxEras {
		for old := range m.all {
			delete(m.all, old)
			break
		}
	}
	m.all[server] = l
}

func (m *memoryEras) Forget(server string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, server)
}

type noCache struct{}

func (noCache) Recall(string) (Learnt, bool) { return Learnt{}, false }
func (noCache) Remember(string, Learnt)      {}
func (noCache) Forget(string)                {}
