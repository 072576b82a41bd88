// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/cluster"
	"github.com/holdfast-mcp/holdfast/internal/control"
)

// openControl lets commands on this host ask the node, already while it waits for
// others. Without it everything else works, so a failure is only said.
func (n *Node) openControl() {
	s, err := control.Listen(n.data.path, operator{n.cluster, n.servers}, n.refuseServers)
	if err != nil {
		n.cfg.Log.Warn("holdfast servers, keys and nodes cannot ask this node", "error", err)
		return
	}
	n.control = s
}

// refuseServers keeps servers from commands: who may rotate keys ends sessions.
func (n *Node) refuseServers(pid int) error {
	if n.keeper.Holds(pid) {
		return fmt.Errorf("process %d runs below this holdfast, as its servers do, and may not ask it; run the command elsewhere", pid)
	}
	return nil
}

// operator is the node as commands see it.
type operator struct {
	c       *cluster.Cluster
	servers func() []control.MCPServer
}

var _ control.Node = operator{}

// Servers implements [control.Node].
func (o operator) Servers() []control.MCPServer { return o.servers() }

// servers returns how the servers are, those that are disabled included.
func (n *Node) servers() []control.MCPServer {
	var all []control.MCPServer
	if c := n.catalog.Load(); c != nil {
		for _, h := range c.Health() {
			var faults []control.Fault
			for _, f := range c.Faults(h.Name) {
				faults = append(faults, control.Fault(f))
			}
			all = append(all, control.MCPServer{
				Name: h.Name, State: string(h.State), Since: h.Since, Reason: h.Reason, Tools: h.Tools, Next: h.Next, Stderr: h.Stderr, Faults: faults,
			})
		}
	}
	for i := range n.cfg.File.Servers {
		if s := &n.cfg.File.Servers[i]; s.Disabled {
			all = append(all, control.MCPServer{Name: s.Name, State: "disabled"})
		}
	}
	return all
}

// Keys implements [control.Node].
func (o operator) Keys() []control.Key {
	ring, newest, _ := inUse(o.c.Keys().All(), time.Now())
	keys := make([]control.Key, len(ring))
	for i, k := range ring {
		sum := sha256.Sum256(k.Secret)
		keys[i] = control.Key{ID: hex.EncodeToString(sum[:4]), Created: k.Created, From: k.From, Expires: k.Expires, Seals: i == newest}
	}
	return keys
}

// RotateKeys implements [control.Node].
func (o operator) RotateKeys(ctx context.Context, keep time.Duration) (time.Time, error) {
	until, err := o.c.Keys().Rotate(ctx, keep)
	return until, o.whole(err)
}

// RemoveNode implements [control.Node].
func (o operator) RemoveNode(ctx context.Context, name string) error {
	return o.c.Remove(ctx, name)
}

// whole adds to a failed change why it may have failed.
func (o operator) whole(err error) error {
	if err == nil {
		return nil
	}
	if why := o.c.Ready(); why != nil && !errors.Is(err, why) {
		return fmt.Errorf("%w (%w)", err, why)
	}
	return err
}
