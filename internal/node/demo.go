// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/demo"
	"github.com/holdfast-mcp/holdfast/internal/endpoint"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

// openDemo serves the built-in server, under its own names, at the common endpoint.
func (n *Node) openDemo() {
	s := demo.Server(n.cfg.Version, server.Logger(n.cfg.Log))
	parts, _ := rpc.PartsOf(s)
	hub := &subscription.Hub{}
	hub.Share(n.share("demo", hub.Deliver)) // its changes are this process's alone
	stop := parts.Forward(func(c rpc.Change) { hub.Publish(event(c)) })
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { demo.Run(ctx, s) })
	n.closers = append(n.closers, func() { cancel(); wg.Wait(); stop() })
	n.common = n.endpoint("", endpoint.Config{
		Handler: parts.Handler, Hub: hub, Extensions: parts.Extensions,
		ToolHeaders: func(_ context.Context, tool string) []mcp.HeaderParam { return parts.ToolHeaders(tool) },
	})
}

var topicKinds = map[string]subscription.Kind{
	mcp.NotificationToolsChanged:     subscription.Tools,
	mcp.NotificationPromptsChanged:   subscription.Prompts,
	mcp.NotificationResourcesChanged: subscription.Resources,
	mcp.NotificationResourceUpdated:  subscription.Resource,
}

// event is a server's change as the hub's.
func event(c rpc.Change) subscription.Event {
	return subscription.Event{Topic: subscription.Topic{Kind: topicKinds[c.Method], Key: c.URI}, Params: c.Params}
}
