// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// ExtensionHandler answers a method of an extension with any value that JSON
// can show as an object.
type ExtensionHandler func(ctx context.Context, req *Request) (any, error)

// AddExtension adds a protocol extension: its descriptor is announced, and its
// methods are answered by the handlers. It is called before the server serves;
// it panics when a method has no handler or is taken.
func (s *Server) AddExtension(x mcp.Extension, handlers map[string]ExtensionHandler) {
	if s.endpoint.Load() != nil {
		panic("server: AddExtension after the server began to serve")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	methods := maps.Clone(s.methods)
	if methods == nil {
		methods = map[string]ExtensionHandler{}
	}
	for _, m := range x.Methods {
		h := handlers[m.Name]
		if h == nil || methods[m.Name] != nil {
			panic(fmt.Sprintf("server: extension %s: method %q has no handler or is taken", x.ID, m.Name))
		}
		methods[m.Name] = h
	}
	s.methods = methods
	s.extensions = append(s.extensions, x)
}

func (s *Server) extensionList() []mcp.Extension {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.extensions)
}

func (s *Server) dispatchExtension(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	s.mu.Lock()
	h := s.methods[call.Method]
	s.mu.Unlock()
	if h == nil {
		return rpc.Result{}, notOffered(call.Method)
	}
	v, err := h(ctx, newRequest(ctx, call))
	if err != nil {
		return rpc.Result{}, ownWords(err)
	}
	if r, ok := v.(rpc.Result); ok {
		return r, nil
	}
	body, err := marshal(v)
	return rpc.Result{Body: body}, err
}

// CacheOption lets clients keep what a resource holds.
type CacheOption struct{ hint mcp.CacheHint }

// Cache lets clients keep a resource's contents for ttl. Public contents are
// the same for everybody and may be kept by shared caches.
func Cache(ttl time.Duration, scope mcp.CacheScope) CacheOption {
	return CacheOption{mcp.CacheHint{TTLMillis: ttl.Milliseconds(), Scope: scope}}
}

func (o CacheOption) resource(c *resourceConfig) { c.cache = o.hint }
