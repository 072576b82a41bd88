// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/endpoint"
	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/httpguard"
	"github.com/holdfast-mcp/holdfast/internal/httpserver"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
	"github.com/holdfast-mcp/holdfast/transport/httpsse"
	"github.com/holdfast-mcp/holdfast/transport/stdio"
	"github.com/holdfast-mcp/holdfast/transport/streamable"
)

// Bounds of the end of serving over HTTP.
const (
	drainTimeout = 10 * time.Second // unless [Drain] says otherwise
	closeTimeout = 2 * time.Second
)

// serving returns the endpoint, made when the server first serves.
func (s *Server) serving() *endpoint.Endpoint {
	s.start.Do(func() {
		limits := jsonrpc.DefaultLimits()
		limits.Bytes = int(s.limits.MaxBody)
		s.budget, s.unread = s.limits.budgets()
		e := endpoint.New(endpoint.Config{
			Handler: s.handler, Info: s.info, Hub: &s.hub, Ring: s.ring, Extensions: s.extensionList(),
			ToolHeaders: func(_ context.Context, tool string) []mcp.HeaderParam { return s.toolHeaders(tool) },
			Eras:        s.eras, Log: s.log, Limits: limits, Shares: engine.NewShares(s.limits.Calls, s.limits.Share),
		})
		s.handlerHTTP = s.wrapHTTP(streamable.NewHandler(e, streamable.Config{
			MaxBody: s.limits.MaxBody, Budget: s.budget, Unread: s.unread, AllowedHosts: s.hosts, AllowedOrigins: s.origins,
			KeepAlive: s.http.keepAlive, Context: contextOf,
		}))
		s.endpoint.Store(e)
	})
	return s.endpoint.Load()
}

// ServeHTTP serves every revision's Streamable HTTP on any path it is mounted
// at. Values of the request's context are in that of tools, see also [WrapHTTP]. Call
// [Server.Close] when the HTTP server has stopped.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.serving()
	s.handlerHTTP.ServeHTTP(w, r)
}

// ServeConn serves one connection until its peer leaves or ctx ends.
func (s *Server) ServeConn(ctx context.Context, c transport.Conn) error {
	return s.serving().ServeConn(ctx, c)
}

// ServeStdio serves the process's standard input and output until the input
// ends or ctx does. Nothing else may write to standard output meanwhile.
//
// One goroutine reads standard input; when ctx ends first, it goes with the
// process, as a blocked read of a terminal or pipe cannot be called off.
func (s *Server) ServeStdio(ctx context.Context) error {
	defer s.Close()
	in, feed := io.Pipe()
	go func() { // see the doc: ends with standard input
		_, err := io.Copy(feed, os.Stdin)
		feed.CloseWithError(err)
	}()
	out := struct{ io.Writer }{os.Stdout} // which must not be closed
	return s.ServeConn(ctx, stdio.New(in, out, int(s.limits.MaxBody)))
}

// ListenAndServe serves HTTP on addr until ctx ends: Streamable HTTP at /mcp
// and, for the oldest clients, HTTP+SSE at /sse and /messages, over HTTP/1.1
// and cleartext HTTP/2, or over HTTPS by [TLS]. When ctx ends it waits for running
// calls, at most ten seconds or what [Drain] says, and returns nil. The server does
// not serve again afterwards. Beyond loopback it answers to the names of [AllowHosts].
func (s *Server) ListenAndServe(ctx context.Context, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return s.Serve(ctx, l)
}

// Serve is [Server.ListenAndServe] on a listener, which it closes.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	e := s.serving()
	defer e.Close()
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	conns := httpserver.NewConns(s.limits.conns(), s.limits.Share, s.log)
	srv := httpserver.New(s.mux(e), conns, s.log)
	srv.BaseContext = func(net.Listener) context.Context { return requests }
	served := make(chan error, 1)
	if s.http.tls != nil {
		l = s.secure(srv, l)
	}
	go func() { served <- srv.Serve(conns.Listener(l)) }() // owned here: ends with Shutdown or Close, received below
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	limit, stop := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(s.http.drain, drainTimeout))
	defer stop()
	if err := e.Drain(limit); err != nil {
		s.log.Warn("calls were cut off at shutdown", "error", err)
	}
	e.Close()
	cancel() // what still streams has nothing more to come
	last, done := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer done()
	if err := srv.Shutdown(last); err != nil {
		s.log.Warn("connections were cut off at shutdown", "error", errors.Join(err, srv.Close()))
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// secure makes srv serve HTTPS on l, which it returns with TLS.
func (s *Server) secure(srv *http.Server, l net.Listener) net.Listener {
	srv.Protocols.SetUnencryptedHTTP2(false)
	srv.Protocols.SetHTTP2(true)
	config := s.http.tls.Clone()
	if config.NextProtos == nil {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	srv.TLSConfig = config
	return tls.NewListener(l, config)
}

// mux mounts the transports.
func (s *Server) mux(e *endpoint.Endpoint) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/mcp", s)
	mux.Handle("/mcp/{$}", s)
	if s.eras == nil || slices.Contains(s.eras, mcp.Legacy) {
		sse := s.wrapHTTP(httpsse.NewHandler(e, httpsse.Config{
			MaxBody: s.limits.MaxBody, Budget: s.budget, Unread: s.unread, AllowedHosts: s.hosts, AllowedOrigins: s.origins,
			KeepAlive: s.http.keepAlive, Context: contextOf,
		}))
		mux.Handle("/sse", sse)
		mux.Handle("/sse/{$}", sse)
		mux.Handle("/messages", sse)
		mux.Handle("/messages/{$}", sse)
	}
	guard := &httpguard.Guard{Hosts: s.hosts, Origins: s.origins}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !guard.Share(w, r) { // so that pages can read what is not there, too
			mux.ServeHTTP(w, r)
		}
	})
}

// Close ends all serving at once: streams, tasks and calls in flight. It is
// for servers served by [Server.ServeHTTP] or [Server.ServeConn].
func (s *Server) Close() {
	if e := s.endpoint.Load(); e != nil {
		e.Close()
	}
}
