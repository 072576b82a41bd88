// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
)

// httpConfig is how the server serves HTTP; zero fields mean the defaults.
type httpConfig struct {
	wrappers  []func(http.Handler) http.Handler
	tls       *tls.Config
	keepAlive time.Duration
	drain     time.Duration
}

// WrapHTTP puts a handler around all that is served over HTTP, by
// [Server.ServeHTTP], [Server.Serve] and [Server.ListenAndServe]: to check
// credentials, count or trace. The first wrapper given sees a request first. Values
// that it puts into the request's context are in the context of tools; who calls it
// says with [WithPrincipal]. A [http.ResponseWriter] of its own must have Unwrap.
//
//	server.WrapHTTP(func(next http.Handler) http.Handler {
//		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//			user, ok := check(r.Header.Get("Authorization"))
//			if !ok {
//				w.Header().Set("WWW-Authenticate", "Bearer")
//				http.Error(w, "who are you?", http.StatusUnauthorized)
//				return
//			}
//			next.ServeHTTP(w, r.WithContext(server.WithPrincipal(r.Context(), user, "")))
//		})
//	})
func WrapHTTP(wrappers ...func(http.Handler) http.Handler) Option {
	return serverOption(func(s *Server) { s.http.wrappers = append(s.http.wrappers, wrappers...) })
}

// TLS makes [Server.Serve] and [Server.ListenAndServe] serve HTTPS only, over
// HTTP/1.1 and HTTP/2. Client certificates that config asks for are in
// [Request.HTTP].
func TLS(config *tls.Config) Option {
	return serverOption(func(s *Server) { s.http.tls = config.Clone() })
}

// KeepAlive sets after which silence an event stream gets a comment, so that
// proxies do not close it; default 15 s.
func KeepAlive(quiet time.Duration) Option {
	return serverOption(func(s *Server) { s.http.keepAlive = max(quiet, 0) })
}

// Drain sets how long [Server.Serve] and [Server.ListenAndServe] wait for running
// calls when their context has ended; default 10 s.
func Drain(limit time.Duration) Option {
	return serverOption(func(s *Server) { s.http.drain = limit })
}

// WithPrincipal returns a context for an HTTP request, or for [Server.ServeConn],
// that is made on behalf of somebody. The id is stable and unique within the tenant,
// which may be empty. Sessions and tasks are good only for who began them. The caller
// has checked the credentials.
func WithPrincipal(ctx context.Context, id, tenant string) context.Context {
	return rpc.WithPrincipal(ctx, &rpc.Principal{ID: id, Tenant: tenant})
}

type requestKey struct{}

// requestContext is the context of a request, and knows it. It is all that a call needs
// of the request, a copy of which with another context would cost ten times as much.
type requestContext struct {
	context.Context
	request *http.Request
}

func contextOf(r *http.Request) context.Context { return &requestContext{r.Context(), r} }

// Value implements [context.Context].
func (c *requestContext) Value(key any) any {
	if key == (requestKey{}) {
		return c.request
	}
	return c.Context.Value(key)
}

// wrapHTTP returns h behind the server's wrappers.
func (s *Server) wrapHTTP(h http.Handler) http.Handler {
	for _, wrap := range slices.Backward(s.http.wrappers) {
		h = wrap(h)
	}
	return h
}

// HTTP returns the HTTP request that brought the call, to be read only: its body is
// gone, and it may be answered already when the call goes on as a task. Over HTTP+SSE
// it is the request that opened the stream. It is nil over stdio and other
// connections, and behind a holdfast.Node.
func (r *Request) HTTP() *http.Request {
	h, _ := r.ctx.Value(requestKey{}).(*http.Request)
	return h
}

// Header returns the headers of the HTTP request that brought the call, to be read
// only; nil where [Request.HTTP] is.
func (r *Request) Header() http.Header {
	if h := r.HTTP(); h != nil {
		return h.Header
	}
	return nil
}

// RemoteAddr returns the network address of the caller, or of the proxy before it,
// without the port; "" where there is none. Behind a holdfast.Node it is of IPv6 the
// network.
func (r *Request) RemoteAddr() string {
	h := r.HTTP()
	if h == nil {
		return r.call.Address
	}
	host, _, err := net.SplitHostPort(h.RemoteAddr)
	if err != nil {
		return h.RemoteAddr
	}
	return host
}

// SessionID returns the id of the caller's session, for state that lives as long as
// it; "" for clients of the newest revision, which have none. It is not the
// Mcp-Session-Id, and knowing it gives no access.
func (r *Request) SessionID() string {
	if r.call.Peer == nil {
		return ""
	}
	return r.call.Peer.Session
}
