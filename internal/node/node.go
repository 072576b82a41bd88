// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package node wires one Holdfast: configuration, data directory, backends,
// gateway, endpoints and listeners. It is the only place that knows all parts,
// and it owns the order in which they start and stop.
package node

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/backend/placement"
	"github.com/holdfast-mcp/holdfast/internal/cluster"
	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/internal/control"
	"github.com/holdfast-mcp/holdfast/internal/endpoint"
	"github.com/holdfast-mcp/holdfast/internal/gateway"
	"github.com/holdfast-mcp/holdfast/internal/httpguard"
	"github.com/holdfast-mcp/holdfast/internal/process"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/internal/throttle"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
	"github.com/holdfast-mcp/holdfast/transport/httpsse"
	"github.com/holdfast-mcp/holdfast/transport/stdio"
	"github.com/holdfast-mcp/holdfast/transport/websocket"
)

// Config is what a node needs to run.
type Config struct {
	File    config.Config
	Data    string // data directory; required
	Name    string // what it calls itself to clients; empty means holdfast
	Version string // of this program, told to clients
	Log     *slog.Logger
	Mounts  []Mount // servers in this process, beside File.Servers
	Cluster Cluster
	// Memory keeps what sessions change, and tasks, in memory only, and keys no longer
	// than the node lives. Any number of such nodes may share a data directory.
	Memory bool
	// Demo serves the built-in demo instead of File.Servers.
	Demo bool
	// Adopt is for a program that is nothing but this node: what its servers leave
	// when the keeper is killed becomes its child and is ended.
	Adopt bool
}

// Node is one Holdfast: New makes it, Serve starts and serves it, or Start and
// ServeStdio do, Close ends everything. It is safe for concurrent use.
type Node struct {
	cfg      Config
	data     *dataDir
	keeper   *process.Keeper
	backends []backend.Backend
	catalog  atomic.Pointer[gateway.Catalog] // nil when the demo is served
	common   *endpoint.Endpoint              // at /mcp
	single   map[string]*endpoint.Endpoint   // by server name, at /servers/{name}/mcp
	virtual  map[string]*endpoint.Endpoint   // by endpoint name, at /v/{name}/mcp
	streams  []*httpsse.Handler
	sockets  []*websocket.Handler
	cluster  *cluster.Cluster // nil when all is kept in memory
	keys     *keyFollower
	exchange *placement.Exchange // nil when there are no other nodes
	tasks    *task.Set
	bounds   bounds
	guard    httpguard.Guard
	refused  throttle.Lines         // by guard
	handlers map[string]rpc.Handler // of the endpoints, by path; complete once opened
	opened   atomic.Bool
	awaited  time.Time       // until then this node is not ready while servers start, if there are others
	control  *control.Server // nil when commands cannot ask
	closers  []func()

	// What requests look at, also while the node starts.
	routes  atomic.Pointer[http.Handler] // nil until it has started
	routed  chan struct{}                // closed when there are routes
	held    chan struct{}                // slots of requests that wait for them
	joining atomic.Pointer[cluster.Cluster]
	leaving atomic.Bool
	checks  atomic.Int64 // how often /readyz was asked for since

	turn    chan struct{} // holds one token: who has it may start or close
	started bool          // guarded by turn, as is closed
	closed  bool
}

// ErrClosed reports a start after the end.
var ErrClosed = errors.New("the node is closed")

// New returns a node that has not started. Its Handler answers probes.
func New(cfg Config) *Node {
	return &Node{
		cfg: cfg, bounds: newBounds(&cfg.File.Limits), guard: httpguard.Guard{
			Hosts: slices.Concat(cfg.File.AllowedHosts, hostsOf(cfg.File.Listen)), Origins: cfg.File.AllowedOrigins,
		},
		single: map[string]*endpoint.Endpoint{}, virtual: map[string]*endpoint.Endpoint{},
		handlers: map[string]rpc.Handler{}, turn: make(chan struct{}, 1), routed: make(chan struct{}), held: make(chan struct{}, maxHeld),
	}
}

// Start prepares the data directory and begins to start the servers, for which it does
// not wait. In a cluster it waits for the other nodes as long as they need. A server
// that does not start is logged. A node that has failed to start is closed; one
// that has started does nothing.
func (n *Node) Start(ctx context.Context) error {
	select {
	case n.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-n.turn }()
	switch {
	case n.closed:
		return ErrClosed
	case n.started:
		return nil
	}
	if err := n.open(ctx); err != nil {
		return errors.Join(err, n.close())
	}
	n.openLoad()
	n.started = true
	routes := n.mux()
	n.routes.Store(&routes)
	close(n.routed)
	return nil
}

func (n *Node) open(ctx context.Context) (err error) {
	if err := checkSecret(n.cfg.File.Servers, n.cfg.Cluster.Secret); err != nil {
		return err
	}
	if n.cfg.Memory {
		n.data, err = openShared(n.cfg.Data, n.cfg.Log)
	} else {
		n.data, err = openData(n.cfg.Data)
	}
	if err != nil {
		return err
	}
	if !n.cfg.Memory {
		if err := n.openCluster(ctx); err != nil {
			return err
		}
	}
	// What an earlier run left is ended only now that the directory is certainly this node's.
	if n.keeper, err = process.OpenKeeper(ctx, process.Config{
		Journal: n.data.processes(), Private: n.private(), Adopt: n.cfg.Adopt, Log: n.cfg.Log,
	}); err != nil {
		return err
	}
	if !n.cfg.Memory {
		if err := n.joinCluster(ctx); err != nil {
			return err
		}
	}
	n.openTasks()
	n.openExchange()
	if n.cfg.Demo {
		n.openDemo()
	} else if err := n.openGateway(ctx); err != nil {
		return err
	}
	n.opened.Store(true)
	return nil
}

func (n *Node) info() mcp.Implementation {
	if n.cfg.Name != "" {
		return mcp.Implementation{Name: n.cfg.Name, Version: n.cfg.Version}
	}
	return mcp.Implementation{Name: "holdfast", Title: "Holdfast", Version: n.cfg.Version}
}

// endpoint makes the endpoint at a path, below which its transports are mounted,
// and fills in what all endpoints share.
func (n *Node) endpoint(path string, cfg endpoint.Config) *endpoint.Endpoint {
	limits := jsonrpc.DefaultLimits()
	limits.Bytes = int(n.cfg.File.Limits.MaxBody)
	limits.Depth, limits.Batch = n.cfg.File.Limits.MaxDepth, n.cfg.File.Limits.MaxBatch
	cfg.Info, cfg.Ring, cfg.Log, cfg.Limits, cfg.Tasks = n.info(), n.data.ring, n.cfg.Log, limits, n.tasks
	cfg.Name = path + "/mcp"
	cfg.Handler = logCalls(cfg.Handler, cfg.Name, n.cfg.Log)
	cfg.Shares, cfg.Logs = n.bounds.shares, n.bounds.logs
	if n.cluster != nil {
		n.join(path, &cfg)
		n.handlers[cfg.Name] = cfg.Handler
	}
	return endpoint.New(cfg)
}

// ServeStdio serves the common endpoint over c until its peer leaves or ctx ends.
func (n *Node) ServeStdio(ctx context.Context, c transport.Conn) error {
	return n.common.ServeConn(ctx, c)
}

// Stdio returns a Conn over the program's own standard streams.
func (n *Node) Stdio(in io.ReadCloser, out io.WriteCloser) transport.Conn {
	return stdio.New(in, out, int(n.cfg.File.Limits.MaxBody))
}

func (n *Node) endpoints() []*endpoint.Endpoint {
	var all []*endpoint.Endpoint
	if n.common != nil { // as it is unless Open failed
		all = append(all, n.common)
	}
	all = slices.AppendSeq(all, maps.Values(n.single))
	return slices.AppendSeq(all, maps.Values(n.virtual))
}

// Close ends the endpoints, then the tasks, then the servers, leaves the cluster
// and releases the data directory. It waits for a Start under way, whose context
// ends it sooner. It is idempotent.
func (n *Node) Close() error {
	n.turn <- struct{}{}
	defer func() { <-n.turn }()
	if n.closed {
		return nil
	}
	return n.close()
}

func (n *Node) close() error {
	n.closed = true
	for _, h := range n.sockets {
		h.Close()
	}
	for _, h := range n.streams {
		h.Close()
	}
	for _, e := range n.endpoints() {
		e.Close()
	}
	for _, c := range n.closers {
		c()
	}
	if n.tasks != nil { // before their servers, so that work which others may begin again does not fail first
		n.tasks.Close()
	}
	if c := n.catalog.Load(); c != nil {
		c.Close()
	}
	var wg sync.WaitGroup
	errs := make([]error, len(n.backends), len(n.backends)+2)
	for i, b := range n.backends {
		wg.Go(func() { errs[i] = b.Close() })
	}
	wg.Wait()
	n.closeCluster()
	if n.keeper != nil {
		errs = append(errs, n.keeper.Close())
	}
	if n.data != nil {
		errs = append(errs, n.data.close())
	}
	return errors.Join(errs...)
}
