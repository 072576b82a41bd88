// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/endpoint"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/internal/uritemplate"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Raw is a JSON value kept as it is.
type Raw = jsonrpc.Raw

// Server holds tools, resources and prompts and serves them. It is safe for
// concurrent use; make one with [New].
type Server struct {
	info         mcp.Implementation
	instructions string
	log          *slog.Logger
	pageSize     int
	eras         []mcp.Era
	listCache    mcp.CacheHint
	middleware   []Middleware
	hosts        []string
	origins      []string
	limits       Limits
	http         httpConfig
	visible      Visible // nil: all tools are for all callers

	tools     catalog[*tool]
	resources catalog[*resource]
	templates catalog[*template]
	prompts   catalog[*prompt]
	skills    catalog[*skill]
	taskTools atomic.Int64 // tools that can run as tasks
	asked     atomic.Bool  // completions exist

	ring    *seal.Ring
	hub     subscription.Hub
	handler rpc.Handler

	mu         sync.Mutex
	extensions []mcp.Extension
	methods    map[string]ExtensionHandler // replaced, never changed
	sinks      map[*func(rpc.Change)]struct{}

	start       sync.Once
	endpoint    atomic.Pointer[endpoint.Endpoint]
	handlerHTTP http.Handler      // Streamable HTTP behind the wrappers; set by start, as are the budgets
	budget      *transport.Budget // of messages
	unread      *transport.Budget
}

const defaultPageSize = 500

// New returns a server without tools, resources or prompts.
func New(name, version string, opts ...Option) *Server {
	s := &Server{
		info:     mcp.Implementation{Name: name, Version: version},
		log:      slog.Default(),
		pageSize: defaultPageSize,
		ring:     seal.NewRing(),
		sinks:    map[*func(rpc.Change)]struct{}{},
	}
	for _, o := range opts {
		o.server(s)
	}
	s.limits = s.limits.withDefaults()
	s.tools.init(s, mcp.MethodListTools, "tools")
	s.resources.init(s, mcp.MethodListResources, "resources")
	s.templates.init(s, mcp.MethodListResourceTemplates, "resourceTemplates")
	s.resources.spelling = uritemplate.Normal
	s.prompts.init(s, mcp.MethodListPrompts, "prompts")
	s.skills.init(s, mcp.MethodListSkills, "skills")
	s.handler = rpc.HandlerFunc(s.dispatch)
	if len(s.middleware) > 0 {
		s.handler = rpc.HandlerFunc(s.wrapped)
	}
	return s
}

func init() {
	rpc.PartsOf = func(v any) (rpc.ServerParts, bool) {
		s, ok := v.(*Server)
		if !ok {
			return rpc.ServerParts{}, false
		}
		return s.parts(), true
	}
}

func (s *Server) parts() rpc.ServerParts {
	return rpc.ServerParts{
		Handler: s.handler, Info: s.info, Extensions: s.extensionList(),
		ToolHeaders: s.toolHeaders, Forward: s.forward,
	}
}

// Option configures a server.
type Option interface{ server(*Server) }

type serverOption func(*Server)

func (f serverOption) server(s *Server) { f(s) }

// Instructions tells clients, and through them models, how to use the server.
func Instructions(text string) Option { return serverOption(func(s *Server) { s.instructions = text }) }

// Describe gives the server a description and a website.
func Describe(description, websiteURL string) Option {
	return serverOption(func(s *Server) { s.info.Description, s.info.WebsiteURL = description, websiteURL })
}

// Logger sets where the server logs; default [slog.Default].
func Logger(log *slog.Logger) Option { return serverOption(func(s *Server) { s.log = log }) }

// PageSize sets how many entries one page of a list holds; default 500.
func PageSize(n int) Option {
	return serverOption(func(s *Server) { s.pageSize = max(n, 1) })
}

// Eras limits the server to one era; by default it serves both.
func Eras(eras ...mcp.Era) Option { return serverOption(func(s *Server) { s.eras = eras }) }

// CacheLists lets clients keep lists for ttl. Public means that everybody gets
// the same lists, so that shared caches may keep them too. By default lists are
// stale at once and private.
//
// spec 2026-07-28 server/utilities/caching.
func CacheLists(ttl time.Duration, scope mcp.CacheScope) Option {
	return serverOption(func(s *Server) { s.listCache = mcp.CacheHint{TTLMillis: ttl.Milliseconds(), Scope: scope} })
}

// AllowHosts adds Host names the server answers to besides loopback and its
// own address; "*" admits any.
func AllowHosts(hosts ...string) Option {
	return serverOption(func(s *Server) { s.hosts = append(s.hosts, hosts...) })
}

// AllowOrigins adds Origins of web pages that may call besides loopback, and by
// HTTP+SSE besides the server's own; "*" admits any.
func AllowOrigins(origins ...string) Option {
	return serverOption(func(s *Server) { s.origins = append(s.origins, origins...) })
}

// Middleware sees every request before its handler does. It calls next to go
// on, at most once, and may return an error instead; a [jsonrpc.Error] reaches
// the client.
type Middleware func(ctx context.Context, req *Request, next func(context.Context) error) error

// Use adds middleware; the first one given sees a request first.
func Use(middleware ...Middleware) Option {
	return serverOption(func(s *Server) { s.middleware = append(s.middleware, middleware...) })
}

// wrapped runs the middleware around dispatch.
func (s *Server) wrapped(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	call.Wait() // middleware may wait
	var res rpc.Result
	req := newRequest(ctx, call)
	next := func(ctx context.Context) (err error) {
		res, err = s.dispatch(ctx, call)
		return err
	}
	for i := len(s.middleware) - 1; i >= 0; i-- {
		m, inner := s.middleware[i], next
		next = func(ctx context.Context) error { return m(ctx, req, inner) }
	}
	err := next(ctx)
	return res, err
}

// dispatch answers one call.
func (s *Server) dispatch(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if !isList(call.Method) {
		call.Wait() // the handler may wait
	}
	switch call.Method {
	case mcp.MethodCallTool:
		return s.callTool(ctx, call)
	case mcp.MethodDiscover:
		return s.discover()
	case mcp.MethodListTools:
		return s.listTools(ctx, call)
	case mcp.MethodListResources:
		return s.resources.list(call)
	case mcp.MethodListResourceTemplates:
		if s.templates.used() || !s.resources.used() {
			return s.templates.list(call)
		}
		return rpc.Result{Body: Raw(`{"resourceTemplates":[]}`), Cache: s.listCache}, nil
	case mcp.MethodListPrompts:
		return s.prompts.list(call)
	case mcp.MethodReadResource:
		return s.readResource(ctx, call)
	case mcp.MethodSubscribe, mcp.MethodUnsubscribe:
		return s.subscribe(call)
	case mcp.MethodGetPrompt:
		return s.getPrompt(ctx, call)
	case mcp.MethodComplete:
		return s.complete(ctx, call)
	case mcp.MethodPing, mcp.MethodSetLevel:
		return rpc.Result{Body: Raw("{}")}, nil
	}
	return s.dispatchExtension(ctx, call)
}

// isList reports whether a method is answered from what the server holds.
func isList(method string) bool {
	switch method {
	case mcp.MethodDiscover, mcp.MethodListTools, mcp.MethodListResources, mcp.MethodListResourceTemplates, mcp.MethodListPrompts:
		return true
	}
	return false
}

// discover answers with what the server has at the moment.
func (s *Server) discover() (rpc.Result, error) {
	caps := mcp.ServerCapabilities{Logging: &struct{}{}}
	if s.tools.used() {
		caps.Tools = &mcp.ListCapability{ListChanged: true}
	}
	if s.hasResources() {
		caps.Resources = &mcp.ResourcesCapability{Subscribe: true, ListChanged: true}
	}
	if s.prompts.used() {
		caps.Prompts = &mcp.ListCapability{ListChanged: true}
	}
	if s.asked.Load() {
		caps.Completions = &struct{}{}
	}
	for _, x := range s.extensionList() {
		if caps.Extensions == nil {
			caps.Extensions = map[string]Raw{}
		}
		caps.Extensions[x.ID] = x.Settings
		if x.Settings == nil {
			caps.Extensions[x.ID] = Raw("{}")
		}
	}
	if s.taskTools.Load() > 0 {
		if caps.Extensions == nil {
			caps.Extensions = map[string]Raw{}
		}
		caps.Extensions[mcp.ExtensionTasks] = Raw("{}")
		caps.Tasks = Raw("{}") // the legacy engine says the details
	}
	body, err := marshal(mcp.Discovery{Capabilities: caps, ServerInfo: s.info, Instructions: s.instructions})
	return rpc.Result{Body: body, Cache: s.listCache}, err
}

// notOffered is the answer to a method whose capability the server lacks.
func notOffered(method string) error {
	return jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "method %s is not offered by this server", display.Quote(method))
}

// publish announces a change to listening clients and to the runtime.
func (s *Server) publish(kind subscription.Kind, c rpc.Change) {
	s.hub.Publish(subscription.Event{Topic: subscription.Topic{Kind: kind, Key: c.URI}, Params: c.Params})
	s.mu.Lock()
	sinks := make([]func(rpc.Change), 0, len(s.sinks))
	for sink := range s.sinks {
		sinks = append(sinks, *sink)
	}
	s.mu.Unlock()
	for _, sink := range sinks {
		sink(c)
	}
}

// forward is [rpc.ServerParts.Forward].
func (s *Server) forward(sink func(rpc.Change)) (stop func()) {
	key := &sink
	s.mu.Lock()
	s.sinks[key] = struct{}{}
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		delete(s.sinks, key)
		s.mu.Unlock()
	}
}
