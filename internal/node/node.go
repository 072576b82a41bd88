// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package node wires one Holdfast: configuration, data directory, backends,
// gateway, endpoints and listeners. It is the only place that knows all parts,
// and it owns the order in which they start and stop.
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/internal/endpoint"
	"github.com/holdfast-mcp/holdfast/internal/gateway"
	"github.com/holdfast-mcp/holdfast/internal/process"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
	"github.com/holdfast-mcp/holdfast/transport/httpsse"
	"github.com/holdfast-mcp/holdfast/transport/stdio"
	"github.com/holdfast-mcp/holdfast/transport/streamable"
)

// Config is what a node needs to run.
type Config struct {
	File    config.Config
	Data    string // data directory; required
	Version string // of this program, told to clients
	Log     *slog.Logger
	// Demo serves the built-in demo instead of File.Servers.
	Demo bool
}

// Node is one Holdfast. Open starts its backends, Listen or ServeStdio serves,
// Close ends everything.
type Node struct {
	cfg      Config
	data     *dataDir
	keeper   *process.Keeper
	backends []backend.Backend
	common   *endpoint.Endpoint
	single   map[string]*endpoint.Endpoint // by server name
	closers  []func()
}

// startTimeout bounds how long Open waits for slow servers; they go on starting.
const startTimeout = 30 * time.Second

// drainTimeout is how long calls in flight may take after Ctrl-C.
const drainTimeout = 10 * time.Second

// Open prepares the data directory and starts the backends. A server that does
// not start is logged and does not fail Open.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	data, err := openData(cfg.Data)
	if err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, data: data, keeper: process.NewKeeper(cfg.Log), single: map[string]*endpoint.Endpoint{}}
	if cfg.Demo {
		n.openDemo()
	} else {
		n.openGateway(ctx)
	}
	return n, nil
}

// openGateway builds the backends and, over them, one endpoint each and the common one.
func (n *Node) openGateway(ctx context.Context) {
	var all *gateway.Gateway
	for _, s := range n.cfg.File.Servers {
		if s.Disabled {
			continue
		}
		var own *gateway.Gateway
		b := newBackend(n.keeper, &s, n.cfg.File.Limits.CallTimeout, n.cfg.Log, func(e subscription.Event) {
			own.Event(e)
			all.Event(e)
		})
		n.backends = append(n.backends, b)
		own, n.single[s.Name] = n.gateway(gateway.Config{OwnNames: true}, b)
	}
	all, n.common = n.gateway(gateway.Config{}, n.backends...)
	n.start(ctx)
}

// gateway puts backends behind an endpoint.
func (n *Node) gateway(cfg gateway.Config, backends ...backend.Backend) (*gateway.Gateway, *endpoint.Endpoint) {
	cfg.Info, cfg.Log = n.info(), n.cfg.Log
	hub := &subscription.Hub{}
	g := gateway.New(cfg, hub, backends)
	hub.Watch(n.watcher(g.Watch))
	return g, n.endpoint(endpoint.Config{Handler: g, Hub: hub, ToolHeaders: g.ToolHeaders})
}

// start brings all backends up at once and waits, within bounds, so that the
// first client sees every list whole.
func (n *Node) start(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, b := range n.backends {
		wg.Go(func() {
			if err := b.Start(ctx); err != nil {
				n.cfg.Log.Error("server did not start; the others still serve", "server", b.Name(), "error", err)
			}
		})
	}
	wg.Wait()
}

// watcher makes a hub's watcher of a backend's or gateway's Watch. The work runs
// beside the subscriber, in order per topic, bounded by a timeout.
func (n *Node) watcher(watch func(context.Context, string, bool) error) subscription.Watcher {
	return func(t subscription.Topic, active bool) {
		if t.Kind != subscription.Resource {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := watch(ctx, t.Key, active); err != nil {
			n.cfg.Log.Warn("resource not watched", "uri", t.Key, "active", active, "error", err)
		}
	}
}

func (n *Node) info() mcp.Implementation {
	return mcp.Implementation{Name: "holdfast", Title: "Holdfast", Version: n.cfg.Version}
}

// endpoint fills in what all endpoints share.
func (n *Node) endpoint(cfg endpoint.Config) *endpoint.Endpoint {
	limits := jsonrpc.DefaultLimits()
	limits.Bytes = int(n.cfg.File.Limits.MaxBody)
	limits.Depth, limits.Batch = n.cfg.File.Limits.MaxDepth, n.cfg.File.Limits.MaxBatch
	cfg.Info, cfg.Ring, cfg.Log, cfg.Limits = n.info(), n.data.ring, n.cfg.Log, limits
	return endpoint.New(cfg)
}

// Listener is a bound address that is not yet served.
type Listener struct {
	net.Listener
	URL string // of the common endpoint
}

// Bind takes the listening address, so that a taken port is known before
// anything starts.
func Bind(addr string) (*Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w; free it, or choose another with --listen", addr, cause(err))
	}
	return &Listener{Listener: l, URL: "http://" + l.Addr().String() + "/mcp"}, nil
}

// cause strips the address that net's errors repeat.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// Serve serves HTTP on l until ctx ends, then drains: no new connections, calls
// finish within bounds, streams are ended so that their clients reconnect.
func (n *Node) Serve(ctx context.Context, l *Listener) error {
	srv := &http.Server{
		Handler:           n.routes(),
		Protocols:         protocols(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(n.cfg.Log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }() // owned by Serve: ends with Shutdown below
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { n.drain(drain) })
	err := srv.Shutdown(drain)
	wg.Wait()
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	<-served
	return err
}

// protocols are HTTP/1.1 and cleartext HTTP/2.
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// routes mounts every endpoint. Names in paths are percent-escaped as usual.
func (n *Node) routes() http.Handler {
	mux := http.NewServeMux()
	n.mount(mux, "", n.common)
	mux.HandleFunc("/servers/{name}/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		if n.single[r.PathValue("name")] == nil {
			http.Error(w, "no server "+fmt.Sprintf("%q", r.PathValue("name"))+"; there are: "+strings.Join(n.names(), ", "), http.StatusNotFound)
			return
		}
		http.NotFound(w, r)
	})
	for name, e := range n.single {
		n.mount(mux, "/servers/"+url.PathEscape(name), e)
	}
	return mux
}

func (n *Node) names() []string {
	var names []string
	for _, b := range n.backends {
		names = append(names, b.Name())
	}
	return names
}

// mount puts an endpoint's transports below prefix.
func (n *Node) mount(mux *http.ServeMux, prefix string, e *endpoint.Endpoint) {
	f := &n.cfg.File
	mux.Handle(prefix+"/mcp", streamable.NewHandler(e, streamable.Config{
		MaxBody: f.Limits.MaxBody, AllowedHosts: f.AllowedHosts, AllowedOrigins: f.AllowedOrigins,
	}))
	old := httpsse.NewHandler(e, httpsse.Config{
		Messages: prefix + "/messages", MaxBody: f.Limits.MaxBody, AllowedHosts: f.AllowedHosts, AllowedOrigins: f.AllowedOrigins,
	})
	mux.Handle(prefix+"/sse", old)
	mux.Handle(prefix+"/messages", old)
}

// ServeStdio serves the common endpoint over c until its peer leaves or ctx ends.
func (n *Node) ServeStdio(ctx context.Context, c transport.Conn) error {
	return n.common.ServeConn(ctx, c)
}

// Stdio returns a Conn over the program's own standard streams.
func (n *Node) Stdio(in io.ReadCloser, out io.WriteCloser) transport.Conn {
	return stdio.New(in, out, int(n.cfg.File.Limits.MaxBody))
}

// drain ends streams and waits for calls on every endpoint at once.
func (n *Node) drain(ctx context.Context) {
	var wg sync.WaitGroup
	for _, e := range n.endpoints() {
		wg.Go(func() {
			if err := e.Drain(ctx); err != nil {
				n.cfg.Log.Warn("calls cut off at the end of the drain", "error", err)
			}
		})
	}
	wg.Wait()
}

func (n *Node) endpoints() []*endpoint.Endpoint {
	all := []*endpoint.Endpoint{n.common}
	for _, e := range n.single {
		all = append(all, e)
	}
	return all
}

// Close ends the endpoints, then the servers, then releases the data directory.
func (n *Node) Close() error {
	for _, e := range n.endpoints() {
		e.Close()
	}
	for _, c := range n.closers {
		c()
	}
	var wg sync.WaitGroup
	errs := make([]error, len(n.backends)+2)
	for i, b := range n.backends {
		wg.Go(func() { errs[i] = b.Close() })
	}
	wg.Wait()
	errs[len(errs)-2] = n.keeper.Close()
	errs[len(errs)-1] = n.data.close()
	return errors.Join(errs...)
}
