// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/endpoint"
	"github.com/holdfast-mcp/holdfast/internal/gateway"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/internal/throttle"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// openGateway builds the backends and, over them, one endpoint each and the common one.
func (n *Node) openGateway(ctx context.Context) error {
	launch := launchers{
		keeper: n.keeper, exchange: n.exchange, repeatable: n.repeatable,
		processes: backend.NewSlots(n.cfg.File.Limits.Processes), starts: backend.NewStarts(), installs: backend.NewInstalls(), memory: backend.NewMemory(0),
		timeout: n.cfg.File.Limits.CallTimeout, secret: n.cfg.Cluster.Secret, log: n.cfg.Log,
	}
	servers := map[string]gateway.Server{}
	add := func(name string, build func(backend.Events) (backend.Backend, error)) error {
		b, err := build(func(e subscription.Event) {
			if c := n.catalog.Load(); c != nil { // before, nobody has asked
				c.Event(name, e)
			}
		})
		if err != nil {
			return err
		}
		n.backends = append(n.backends, b)
		return nil
	}
	for _, s := range n.cfg.File.Servers {
		if s.Disabled {
			continue
		}
		servers[s.Name] = gateway.Server{
			Tools: gateway.Selection(s.Tools), Prompts: gateway.Selection(s.Prompts), Resources: gateway.Selection(s.Resources),
		}
		if err := add(s.Name, func(events backend.Events) (backend.Backend, error) {
			return launch.backend(&s, events), nil
		}); err != nil {
			return err
		}
	}
	for _, m := range n.cfg.Mounts {
		if err := add(m.Name, func(events backend.Events) (backend.Backend, error) { return n.mounted(&m, events) }); err != nil {
			return err
		}
	}
	catalog := gateway.NewCatalog(gateway.CatalogConfig{
		Info: n.info(), Servers: servers, ListTimeout: listTimeout, Enough: listEnough, Log: n.cfg.Log,
	}, n.backends)
	n.catalog.Store(catalog)
	n.openEndpoints(catalog)
	for _, b := range n.backends {
		if local, ok := b.(*backend.Local); ok {
			_ = local.Start(ctx) // it is there: its changes are heard from now on
		}
	}
	catalog.Open()
	n.awaited = time.Now().Add(serversTimeout)
	return nil
}

// How long the first list waits for slow servers, whose entries then come by
// list_changed: while it would be empty, and once it has entries.
const (
	listTimeout = 2 * time.Second
	listEnough  = time.Second
)

// serversTimeout is how long a node that has others beside it is not ready for the sake
// of servers that are starting. Their clients find more elsewhere.
const serversTimeout = 10 * time.Second

// starting returns an error that names the servers which this node still waits for
// before it is ready.
func (n *Node) starting() error {
	c := n.catalog.Load()
	if c == nil || n.alone() || time.Now().After(n.awaited) {
		return nil
	}
	if names := c.Starting(); len(names) > 0 {
		return fmt.Errorf("waiting for servers to start: %s", display.Short(strings.Join(names, ", ")))
	}
	return nil
}

// commonEndpoint is the name under which the configuration knows /mcp.
const commonEndpoint = "default"

// openEndpoints makes every view of the catalog.
func (n *Node) openEndpoints(catalog *gateway.Catalog) {
	names := n.names()
	if n.cfg.File.ServerEndpoints {
		if len(n.cfg.File.Endpoints) > 0 {
			n.cfg.Log.Info("each server is served whole at /servers/NAME/mcp, whatever the endpoints show; endpoints: {/servers/*: false} ends that")
		}
		for _, name := range names {
			n.single[name] = n.gateway("/servers/"+name, catalog, gateway.Config{Own: name})
		}
	}
	var common gateway.Config
	for _, e := range n.cfg.File.Endpoints {
		cfg := gateway.Config{Servers: e.Servers, Include: e.Include, Exclude: e.Exclude, Search: e.Search, Pin: e.Pin}
		if e.Servers != nil { // a disabled one has no part
			cfg.Servers = slices.DeleteFunc(slices.Clone(e.Servers), func(name string) bool { return !slices.Contains(names, name) })
		}
		if e.Name == commonEndpoint {
			common = cfg
			continue
		}
		n.virtual[e.Name] = n.gateway("/v/"+e.Name, catalog, cfg)
	}
	n.common = n.gateway("", catalog, common)
}

// gateway puts a view of the catalog behind an endpoint.
func (n *Node) gateway(path string, catalog *gateway.Catalog, cfg gateway.Config) *endpoint.Endpoint {
	cfg.Info = n.info()
	hub := &subscription.Hub{}
	tell := n.share("hub "+path, hub.Deliver)
	hub.Share(func(e subscription.Event) {
		if e.Topic.Kind == subscription.Task { // of lists and resources each node hears by itself
			tell(e)
		}
	})
	g := gateway.New(cfg, hub, catalog)
	hub.Watch(n.watcher(g.Watch))
	e := endpoint.Config{Handler: g, Hub: hub, ToolHeaders: g.ToolHeaders, SessionEnded: g.Release, RootsChanged: g.RootsChanged}
	if cfg.Own != "" { // what the server does not offer of these, its discovery denies
		e.Extensions = []mcp.Extension{mcp.SkillsExtension(true), mcp.UIExtension()}
	}
	return n.endpoint(path, e)
}

// watcher makes a hub's watcher of a backend's or gateway's Watch. The work runs
// beside the subscriber, in order per topic, bounded by a timeout.
func (n *Node) watcher(watch func(context.Context, string, bool) error) subscription.Watcher {
	var unwatched throttle.Lines
	return func(t subscription.Topic, active bool) {
		if t.Kind != subscription.Resource {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := watch(ctx, t.Key, active); err != nil {
			unwatched.Log(n.cfg.Log, slog.LevelWarn, "resource not watched",
				"uri", display.Short(t.Key), "active", active, "error", display.Short(err.Error()))
		}
	}
}

// repeatable reports whether a server's tool is marked as one that may be called twice.
func (n *Node) repeatable(server, tool string) bool {
	c := n.catalog.Load()
	return c != nil && mcp.Repeatable(c.Tool(server, tool))
}
