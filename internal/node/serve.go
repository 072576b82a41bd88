// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/endpoint"
	"github.com/holdfast-mcp/holdfast/transport/httpsse"
	"github.com/holdfast-mcp/holdfast/transport/streamable"
	"github.com/holdfast-mcp/holdfast/transport/websocket"
)

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
		Handler:           n.Handler(),
		Protocols:         protocols(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(n.cfg.Log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }() // owned by Serve: ends with Shutdown below
	var failure error
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	case <-n.failed():
		failure = n.cluster.Err()
	}
	n.leave()
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
	return errors.Join(failure, err)
}

// leave makes this node not ready, and tells the others so.
func (n *Node) leave() {
	n.leaving.Store(true)
	if n.cluster != nil {
		n.cluster.Drain()
	}
}

// protocols are HTTP/1.1 and cleartext HTTP/2.
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// Handler serves every endpoint. Names in paths are percent-escaped as usual. It
// is always the same: a stream is found by later requests, however they came in.
func (n *Node) Handler() http.Handler {
	n.routed.Do(func() { n.routes = n.route() })
	return n.routes
}

func (n *Node) route() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", n.readyz)
	n.mount(mux, "", n.common)
	n.mountAll(mux, "servers", "server", n.names(), n.single)
	n.mountAll(mux, "v", "endpoint", slices.Sorted(maps.Keys(n.virtual)), n.virtual)
	return mux
}

// readyz tells a load balancer whether to send requests here: not while this
// node is leaving, or cannot write what it would have to.
func (n *Node) readyz(w http.ResponseWriter, _ *http.Request) {
	err := n.ready()
	if err == nil {
		fmt.Fprintln(w, "ok")
		return
	}
	w.Header().Set("Retry-After", "1")
	http.Error(w, err.Error(), http.StatusServiceUnavailable)
}

func (n *Node) ready() error {
	switch {
	case n.leaving.Load():
		return errors.New("leaving")
	case n.cluster != nil:
		return n.cluster.Ready()
	}
	return nil
}

// mountAll mounts endpoints by name below a folder, where unknown names are
// answered with the known ones.
func (n *Node) mountAll(mux *http.ServeMux, folder, noun string, names []string, endpoints map[string]*endpoint.Endpoint) {
	mux.HandleFunc("/"+folder+"/{name}/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		if name := r.PathValue("name"); endpoints[name] == nil {
			http.Error(w, fmt.Sprintf("no %s %q; there are: %s", noun, name, strings.Join(names, ", ")), http.StatusNotFound)
			return
		}
		http.NotFound(w, r)
	})
	for name, e := range endpoints {
		n.mount(mux, "/"+folder+"/"+url.PathEscape(name), e)
	}
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
	cfg := httpsse.Config{
		Messages: prefix + "/messages", MaxBody: f.Limits.MaxBody, AllowedHosts: f.AllowedHosts, AllowedOrigins: f.AllowedOrigins, Log: n.cfg.Log,
	}
	n.joinStreams(prefix, &cfg)
	old := httpsse.NewHandler(e, cfg)
	n.streams = append(n.streams, old)
	mux.Handle(prefix+"/sse", old)
	mux.Handle(prefix+"/messages", old)
	socket := websocket.NewHandler(e, websocket.Config{
		MaxMessage: f.Limits.MaxBody, AllowedHosts: f.AllowedHosts, AllowedOrigins: f.AllowedOrigins, Log: n.cfg.Log,
	})
	n.sockets = append(n.sockets, socket)
	mux.Handle(prefix+"/ws", socket)
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
	for _, h := range n.streams {
		wg.Go(func() {
			if err := h.Drain(ctx); err != nil {
				n.cfg.Log.Warn("HTTP+SSE streams cut off at the end of the drain", "error", err)
			}
		})
	}
	for _, h := range n.sockets {
		wg.Go(func() {
			if err := h.Drain(ctx); err != nil {
				n.cfg.Log.Warn("WebSocket connections cut off at the end of the drain", "error", err)
			}
		})
	}
	wg.Wait()
}
