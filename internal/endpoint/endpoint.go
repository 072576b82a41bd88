// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package endpoint puts one handler behind every era: it builds the two era
// engines over shared keys, sessions, tasks and subscriptions, and is served by
// any transport. SDK servers and the gateway's paths are endpoints.
//
// An endpoint owns what its engines start; Close waits for it.
package endpoint

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/engine/legacy"
	"github.com/holdfast-mcp/holdfast/internal/engine/modern"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Config says what an endpoint serves. Handler and Info are required.
type Config struct {
	Handler    rpc.Handler
	Info       mcp.Implementation
	Hub        *subscription.Hub // changes to announce; nil means none
	Ring       *seal.Ring        // nil means keys that live as long as the process
	Extensions []mcp.Extension
	// ToolHeaders returns the Mcp-Param headers of a tool; nil means none.
	ToolHeaders func(ctx context.Context, tool string) []mcp.HeaderParam
	// SessionEnded is told of legacy sessions that are over for good; it must not
	// block. Nil means nobody.
	SessionEnded func(session string)
	// RootsChanged is told of legacy sessions whose client says that its roots are
	// others now; it must not block. Nil means nobody.
	RootsChanged func(session string)
	// Sessions keeps what sessions change, Tasks the calls that go on after their
	// answer; endpoints may share them. Nil means memory of this endpoint alone.
	Sessions session.Store
	// Shares bounds what clients use, and Logs the event logs of sessions, over all
	// endpoints that have the same. Nil means this endpoint alone.
	Shares *engine.Shares
	Logs   *session.LogBudget
	Tasks  *task.Set
	// Name is what [task.Config.Handler] of Tasks knows Handler by, the same at all
	// nodes. Empty means that no task of this endpoint is restarted.
	Name string
	// Nodes are the nodes that serve this endpoint, [nodes.Scoped] to it. Sessions are
	// theirs too when it is a [session.Feed]. Nil means no others.
	Nodes  nodes.Nodes
	Eras   []mcp.Era      // nil means both
	Limits jsonrpc.Limits // zero means jsonrpc.DefaultLimits
	Log    *slog.Logger   // nil means slog.Default
}

// Endpoint serves one handler in every era. It is safe for concurrent use.
type Endpoint struct {
	*engine.Engine
	legacy *legacy.Protocol
	modern *modern.Protocol
	tasks  *task.Set
	own    *task.Set // closed with the endpoint; nil when tasks are shared
}

var _ transport.Server = (*Endpoint)(nil)

// New returns an endpoint.
func New(cfg Config) *Endpoint {
	if cfg.Hub == nil {
		cfg.Hub = &subscription.Hub{}
	}
	if cfg.Ring == nil {
		cfg.Ring = seal.NewRing()
	}
	if cfg.Limits == (jsonrpc.Limits{}) {
		cfg.Limits = jsonrpc.DefaultLimits()
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Shares == nil {
		cfg.Shares = engine.NewShares(0, engine.DefaultShare)
	}
	if cfg.Eras == nil {
		cfg.Eras = []mcp.Era{mcp.Legacy, mcp.Modern}
	}
	e := &Endpoint{}
	if e.tasks = cfg.Tasks; e.tasks == nil {
		e.tasks = task.NewSet(task.Config{Log: cfg.Log})
		e.own = e.tasks
	}
	var protocols []engine.Protocol
	if slices.Contains(cfg.Eras, mcp.Legacy) {
		e.legacy = legacy.New(legacy.Config{
			Handler: cfg.Handler, Info: cfg.Info, Ring: cfg.Ring, Hub: cfg.Hub, Tasks: e.tasks, Endpoint: cfg.Name,
			Sessions: session.NewRegistry(session.Config{Store: cfg.Sessions, Logs: cfg.Logs}), Shares: cfg.Shares,
			Nodes: cfg.sessionNodes(), Ended: cfg.SessionEnded, RootsChanged: cfg.RootsChanged, Log: cfg.Log,
		})
		protocols = append(protocols, e.legacy)
	}
	if slices.Contains(cfg.Eras, mcp.Modern) {
		var older []mcp.Version
		if e.legacy != nil {
			older = mcp.VersionsOf(mcp.Legacy)
		}
		e.modern = modern.New(modern.Config{
			Handler: cfg.Handler, Info: cfg.Info, Ring: cfg.Ring, Hub: cfg.Hub, Tasks: e.tasks, Endpoint: cfg.Name,
			Extensions: cfg.Extensions, Legacy: older, ToolHeaders: cfg.ToolHeaders, Log: cfg.Log,
			Nodes: cfg.Nodes, Shares: cfg.Shares,
		})
		protocols = append(protocols, e.modern)
	}
	e.Engine = engine.New(cfg.Limits, cfg.Log, protocols...)
	return e
}

// sessionNodes returns the nodes that share the sessions; nil means none.
func (cfg *Config) sessionNodes() nodes.Nodes {
	if _, shared := cfg.Sessions.(session.Feed); shared {
		return cfg.Nodes
	}
	return nil
}

// Load returns how many legacy sessions have something live here, and how many
// calls in flight and streams without a call there are. It is cheap.
func (e *Endpoint) Load() (sessions, calls, streams int) {
	if e.legacy != nil {
		sessions, calls, streams = e.legacy.Load()
	}
	if e.modern != nil {
		c, s := e.modern.Load()
		calls, streams = calls+c, streams+s
	}
	return sessions, calls, streams
}

// Part ends open streams so that clients reconnect elsewhere, and lets none be
// opened. Calls go on, and new ones are taken: a request that was on its way when
// the listener was closed still gets its answer. Drain comes next.
func (e *Endpoint) Part() {
	if e.legacy != nil {
		e.legacy.Part()
	}
	if e.modern != nil {
		e.modern.Part()
	}
}

// Drain refuses new calls, ends open streams so that clients reconnect elsewhere,
// and waits for calls in flight until ctx ends. What these ask their clients is
// still answered.
func (e *Endpoint) Drain(ctx context.Context) error {
	var errs [2]error
	var wg sync.WaitGroup // both eras refuse at once
	if e.legacy != nil {
		wg.Go(func() { errs[0] = e.legacy.Drain(ctx) })
	}
	if e.modern != nil {
		wg.Go(func() { errs[1] = e.modern.Drain(ctx) })
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

// Close ends everything at once and waits for it.
func (e *Endpoint) Close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = e.Drain(ctx) // ends at once: ctx is over
	if e.modern != nil {
		e.modern.Close() // parked calls too
	}
	if e.own != nil {
		e.own.Close()
	}
}
