// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/cluster"
)

// loadInterval is how often the other nodes are told how busy this one is, at most.
const loadInterval = time.Second

// reportLoad tells the cluster how busy this node is until ctx ends.
func (n *Node) reportLoad(ctx context.Context) {
	ticker := time.NewTicker(loadInterval)
	defer ticker.Stop()
	for {
		var sum cluster.Load
		for _, e := range n.endpoints() {
			sessions, calls, streams := e.Load()
			sum.Sessions, sum.Calls, sum.Streams = sum.Sessions+sessions, sum.Calls+calls, sum.Streams+streams
		}
		n.cluster.SetLoad(sum)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// openLoad starts reporting; a closer ends it.
func (n *Node) openLoad() {
	if n.cluster == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // the closer waits for it
		defer close(done)
		n.reportLoad(ctx)
	}()
	n.closers = append(n.closers, func() { cancel(); <-done })
}
