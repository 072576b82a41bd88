// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Mount is a server in this process. Exactly one of Server and Dial is set.
type Mount struct {
	Name   string
	Server any // made with package server

	Dial func(context.Context) (transport.Conn, error) // each Conn is an instance
	Era  mcp.Era                                       // to speak over it; 0 to find out
	Pool config.Pool                                   // of what Dial returns
}

// mounted makes the backend of a mount.
func (n *Node) mounted(m *Mount, events backend.Events) (backend.Backend, error) {
	if m.Dial != nil {
		return backend.New(backend.Config{
			Name: m.Name, Launch: m.launch, Sharing: backend.Sharing(m.Pool.Sharing),
			Max: m.Pool.Max, Idle: m.Pool.Idle, MaxCalls: m.Pool.MaxCalls, StartTimeout: m.Pool.Start,
			CallTimeout: n.cfg.File.Limits.CallTimeout, Log: n.cfg.Log,
		}, events), nil
	}
	parts, ok := rpc.PartsOf(m.Server)
	if !ok {
		return nil, fmt.Errorf("mount %q: %T is not a server", m.Name, m.Server)
	}
	publish := n.share("mount "+m.Name, events)
	return backend.NewLocal(backend.LocalConfig{
		Name: m.Name, Parts: parts, CallTimeout: n.cfg.File.Limits.CallTimeout, Log: n.cfg.Log,
	}, func(e subscription.Event) {
		events(e)
		publish(e)
	}), nil
}

// launch is the mount's [backend.Launcher].
func (m *Mount) launch(ctx context.Context) (*backend.Launched, error) {
	up, err := backend.Dial(m.Dial)(ctx)
	if err == nil && m.Era != 0 {
		up.Options = append(up.Options, client.ForceEra(m.Era))
	}
	return up, err
}
