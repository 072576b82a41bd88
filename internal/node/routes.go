// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/endpoint"
	"github.com/holdfast-mcp/holdfast/transport/httpsse"
	"github.com/holdfast-mcp/holdfast/transport/streamable"
	"github.com/holdfast-mcp/holdfast/transport/websocket"
)

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
