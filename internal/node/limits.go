// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/httpserver"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/transport"
)

// bounds are those that all endpoints of a node have in common.
type bounds struct {
	shares   *engine.Shares
	messages *transport.Budget
	unread   *transport.Budget
	logs     *session.LogBudget
}

// unreadMemory is how many bytes of answers may wait for clients that are slow to
// read them.
const unreadMemory = 64 << 20

func newBounds(l *config.Limits) bounds {
	return bounds{
		shares:   engine.NewShares(l.Calls, l.Share),
		messages: transport.NewBudget(l.MessageMemory, l.Share),
		unread:   transport.NewBudget(unreadMemory, l.Share),
		logs:     session.NewLogBudget(0),
	}
}

// What a node needs file descriptors for beside connections of clients.
const (
	ownDescriptors     = 128 // store, logs, lock, keeper, control socket, the Go runtime
	clusterDescriptors = 128 // connections with other nodes, streams of the store
	childDescriptors   = 4   // pipes of a child process, and what starts it
)

// conns returns the bounds on connections: as many as the configuration says, if
// there are descriptors for them.
func (n *Node) conns() *httpserver.Conns {
	limits := &n.cfg.File.Limits
	others := n.descriptors()
	most, descriptors := httpserver.Fit(limits.Connections, others)
	switch {
	case limits.Connections > most:
		n.cfg.Log.Warn("fewer connections than limits.connections says; raise the limit of open files (ulimit -n)",
			"connections", most, "configured", limits.Connections, "open_files", descriptors, "needed_for_others", others)
	case most+others > descriptors:
		n.cfg.Log.Warn("few files may be open; raise the limit (ulimit -n)",
			"connections", most, "open_files", descriptors, "needed_for_others", others)
	}
	return httpserver.NewConns(most, limits.Share, n.cfg.Log)
}

// descriptors returns how many descriptors this node may need for its servers,
// its store and other nodes.
func (n *Node) descriptors() int {
	needed := ownDescriptors
	if !n.cfg.Cluster.Alone() {
		needed += clusterDescriptors
	}
	children := 0
	for i := range n.cfg.File.Servers {
		s := &n.cfg.File.Servers[i]
		switch {
		case s.Disabled:
		case s.Transport == config.Stdio:
			children += s.Pool.Max + s.Pool.Spare
		case s.Transport == config.WebSocket:
			needed += s.Pool.Max
		default:
			needed += s.HTTP.MaxConns
		}
	}
	return needed + childDescriptors*min(children, n.cfg.File.Limits.Processes)
}
