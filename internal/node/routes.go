// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/endpoint"
	"github.com/holdfast-mcp/holdfast/transport/httpsse"
	"github.com/holdfast-mcp/holdfast/transport/streamable"
	"github.com/holdfast-mcp/holdfast/transport/websocket"
)

// Handler serves probes and every endpoint. It may be taken and used at any time:
// until the node has started, only the probes say more than that it is starting.
func (n *Node) Handler() http.Handler { return http.HandlerFunc(n.serveHTTP) }

func (n *Node) serveHTTP(w http.ResponseWriter, r *http.Request) {
	heard(r)
	if n.guard.Share(w, r) {
		return
	}
	if n.leaving.Load() {
		// Who keeps connections is not to use this one again: it will be closed. Of
		// HTTP/2 connections net/http makes a GOAWAY frame of the same header.
		w.Header().Set("Connection", "close")
	}
	switch routes := n.routes.Load(); {
	case r.URL.Path == "/livez" && r.Method == http.MethodGet:
		fmt.Fprintln(w, "ok")
	case r.URL.Path == "/readyz" && r.Method == http.MethodGet:
		n.readyz(w)
	case routes == nil && !n.await(r.Context()):
		if strings.HasSuffix(strings.TrimSuffix(r.URL.Path, "/"), "/sse") && httpsse.Later(w, r, time.Second) {
			return
		}
		unavailable(w, "holdfast is starting; try again soon")
	default:
		(*n.routes.Load()).ServeHTTP(w, r)
	}
}

const (
	// holdFor is how long a request waits for the start: a client that comes while a
	// node is restarted need not notice.
	holdFor = 5 * time.Second
	// maxHeld bounds the requests that wait; the others are told at once.
	maxHeld = 1024
)

// await waits until the node has started, and reports whether it has.
func (n *Node) await(ctx context.Context) bool {
	select {
	case n.held <- struct{}{}:
		defer func() { <-n.held }()
	default:
		return false
	}
	limit := time.NewTimer(holdFor)
	defer limit.Stop()
	select {
	case <-n.routed:
		return true
	case <-limit.C:
	case <-ctx.Done():
	}
	return false
}

func unavailable(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, why, http.StatusServiceUnavailable)
}

// readyz tells a load balancer whether to send requests here: not while this node
// is starting or leaving, or cannot write what it would have to. Leaving is said by
// 404, which HAProxy can tell from a failure (disable-on-404): it sends nothing
// new and lets the calls in flight end.
func (n *Node) readyz(w http.ResponseWriter) {
	switch err := n.ready(); {
	case n.leaving.Load():
		n.checks.Add(1)
		w.Header().Set("Retry-After", "1")
		http.Error(w, "leaving", http.StatusNotFound)
	case err != nil:
		unavailable(w, err.Error())
	default:
		fmt.Fprintln(w, strings.Join(append([]string{"ok"}, n.notes()...), "\n"))
	}
}

// notes are what stands below the ok of a node that is ready: links that are broken.
func (n *Node) notes() []string {
	if c := n.joining.Load(); c != nil {
		return linkNotes(c.Members(), time.Now())
	}
	return nil
}

func (n *Node) ready() error {
	if c := n.joining.Load(); c != nil {
		if err := c.Ready(); err != nil {
			return err
		}
	}
	if n.routes.Load() == nil {
		return errors.New("starting")
	}
	return n.starting()
}

// mux is what requests meet once the node has started. Names in paths are
// percent-escaped as usual. Whatever the path, the guard stands before it.
func (n *Node) mux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", n.page)
	n.mount(mux, "", n.common)
	n.mountAll(mux, "servers", "server", n.single)
	n.mountAll(mux, "v", "endpoint", n.virtual)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if why := n.guard.Check(r); why != "" {
			// A page shows its user no reason, so that the operator is told.
			n.refused.Log(n.cfg.Log, slog.LevelWarn, "request refused", "path", display.Short(r.URL.Path), "from", r.RemoteAddr, "reason", why)
			http.Error(w, why, http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// mountAll mounts endpoints by name below a folder. Unknown names are not answered
// with the known ones: who has not found a server is not told of others.
func (n *Node) mountAll(mux *http.ServeMux, folder, noun string, endpoints map[string]*endpoint.Endpoint) {
	mux.HandleFunc("/"+folder+"/{name}/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		if name := r.PathValue("name"); endpoints[name] == nil {
			http.Error(w, "no "+noun+" "+display.Quote(name)+" here", http.StatusNotFound)
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
	handle := func(path string, h http.Handler) {
		mux.Handle(prefix+path, h)
		mux.Handle(prefix+path+"/{$}", h) // clients add a slash, and some do not follow redirects
	}
	handle("/mcp", streamable.NewHandler(e, streamable.Config{
		MaxBody: f.Limits.MaxBody, Budget: n.bounds.messages, Unread: n.bounds.unread,
		AllowedHosts: n.guard.Hosts, AllowedOrigins: n.guard.Origins,
	}))
	cfg := httpsse.Config{
		MaxBody: f.Limits.MaxBody, Budget: n.bounds.messages, Unread: n.bounds.unread,
		AllowedHosts: n.guard.Hosts, AllowedOrigins: n.guard.Origins, Log: n.cfg.Log,
	}
	n.joinStreams(prefix, &cfg)
	old := httpsse.NewHandler(e, cfg)
	n.streams = append(n.streams, old)
	handle("/sse", old)
	handle("/messages", old)
	socket := websocket.NewHandler(e, websocket.Config{
		MaxMessage: f.Limits.MaxBody, Budget: n.bounds.messages, Unread: n.bounds.unread,
		AllowedHosts: n.guard.Hosts, AllowedOrigins: n.guard.Origins, Log: n.cfg.Log,
	})
	n.sockets = append(n.sockets, socket)
	handle("/ws", socket)
}
