// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"bytes"
	"hash/maphash"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

const (
	maxPeers     = 1024    // kept
	maxPeerBytes = 4 << 10 // of one kept; longer ones are decoded each time
)

// peers remembers decoded peers by their bytes: clients describe themselves in
// the same bytes on every request. It is bounded; the zero value is ready.
type peers struct {
	once sync.Once
	seed maphash.Seed

	mu    sync.RWMutex
	known map[uint64]*knownPeer
}

type knownPeer struct {
	capabilities, info Raw
	peer               *rpc.Peer
}

// of returns the peer that the two raw members describe; info may be nil.
func (c *peers) of(capabilities, info Raw) (*rpc.Peer, *jsonrpc.Error) {
	if len(capabilities)+len(info) > maxPeerBytes {
		return decodePeer(capabilities, info)
	}
	c.once.Do(func() { c.seed, c.known = maphash.MakeSeed(), map[uint64]*knownPeer{} })
	sum := maphash.Bytes(c.seed, capabilities) ^ (maphash.Bytes(c.seed, info) * 31)
	c.mu.RLock()
	k := c.known[sum]
	c.mu.RUnlock()
	if k != nil && bytes.Equal(k.capabilities, capabilities) && bytes.Equal(k.info, info) {
		return k.peer, nil
	}
	peer, wire := decodePeer(capabilities, info)
	if wire != nil {
		return nil, wire
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxPeers {
		for old := range c.known { // any one: what is in use comes back at once
			delete(c.known, old)
			break
		}
	}
	c.known[sum] = &knownPeer{peer.RawCapabilities, append(Raw(nil), info...), peer}
	return peer, nil
}

func decodePeer(capabilities, info Raw) (*rpc.Peer, *jsonrpc.Error) {
	peer := &rpc.Peer{Features: version.Features(), RawCapabilities: append(Raw(nil), capabilities...)}
	if err := json.Unmarshal(capabilities, &peer.Capabilities); err != nil || capabilities.Kind() != '{' {
		return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "_meta[%q] is not a ClientCapabilities object", mcp.MetaCapabilities)
	}
	if info == nil {
		return peer, nil
	}
	if err := json.Unmarshal(info, &peer.Client); err != nil || info.Kind() != '{' {
		return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "_meta[%q] is not an Implementation object", mcp.MetaClientInfo)
	}
	return peer, nil
}
