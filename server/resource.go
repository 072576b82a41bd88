// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/internal/uritemplate"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// ResourceHandler reads a resource. For one that does not exist it returns
// [NotFound]. Contents without URI get the one that was asked for.
type ResourceHandler func(ctx context.Context, req *Request) (*mcp.ReadResourceResult, error)

// ResourceOption configures a resource or a resource template.
type ResourceOption interface{ resource(*resourceConfig) }

type resourceConfig struct {
	cache     mcp.CacheHint
	completes map[string]CompleteHandler
}

type resource struct {
	mcp.Resource
	json   Raw
	read   ResourceHandler
	cache  mcp.CacheHint
	hidden bool // readable, not listed: the files of a skill
}

func (r *resource) key() string { return r.URI }
func (r *resource) listed() Raw {
	if r.hidden {
		return nil
	}
	return r.json
}

type template struct {
	mcp.ResourceTemplate
	json      Raw
	uri       *uritemplate.Template
	read      ResourceHandler
	cache     mcp.CacheHint
	completes map[string]CompleteHandler
}

func (t *template) key() string { return t.URITemplate }
func (t *template) listed() Raw { return t.json }

// NotFound returns the error for a resource that does not exist.
func NotFound(uri string) error { return mcp.ResourceNotFound(uri) }

// TextResource returns a result of one text.
func TextResource(mimeType, text string) *mcp.ReadResourceResult {
	return &mcp.ReadResourceResult{Contents: []mcp.ResourceContents{{MIMEType: mimeType, Text: text}}}
}

// BlobResource returns a result of bytes.
func BlobResource(mimeType string, data []byte) *mcp.ReadResourceResult {
	if data == nil {
		data = []byte{}
	}
	return &mcp.ReadResourceResult{Contents: []mcp.ResourceContents{{MIMEType: mimeType, Blob: data}}}
}

// AddResource adds a resource, or replaces the one with that URI. It panics
// when the registration is wrong.
func (s *Server) AddResource(def mcp.Resource, h ResourceHandler, opts ...ResourceOption) {
	if err := s.TryAddResource(def, h, opts...); err != nil {
		panic(err)
	}
}

// TryAddResource is [Server.AddResource] returning what is wrong with a registration.
func (s *Server) TryAddResource(def mcp.Resource, h ResourceHandler, opts ...ResourceOption) error {
	if err := checkURI(def.URI); err != nil {
		return fmt.Errorf("server: resource %q: %w", def.URI, err)
	}
	if def.Name == "" {
		return fmt.Errorf("server: resource %q: it has no name", def.URI)
	}
	raw, err := marshal(def)
	if err != nil {
		return fmt.Errorf("server: resource %q: %w", def.URI, err)
	}
	s.putResource(&resource{Resource: def, json: raw, read: h, cache: resourceOptions(opts).cache})
	return nil
}

func (s *Server) putResource(r *resource) {
	s.resources.put(r)
	s.publish(subscription.Resources, rpc.Change{Method: mcp.NotificationResourcesChanged})
}

func resourceOptions(opts []ResourceOption) *resourceConfig {
	cfg := &resourceConfig{}
	for _, o := range opts {
		o.resource(cfg)
	}
	return cfg
}

func checkURI(uri string) error {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || scheme == "" || rest == "" {
		return errors.New("the URI must be absolute, such as notes://today")
	}
	return nil
}

// AddResourceTemplate adds a family of resources by an RFC 6570 template, or
// replaces the one with that template. A resource with a matching URI of its
// own goes first, then templates in the order of registration.
//
// A variable takes what stands between separators. A URI whose variable, unescaped,
// would hold a slash, such as ..%2Fsecret, a part "..", a NUL or bytes that are not
// UTF-8 is not of the template. Only {+name} and {#name} may hold slashes and "..",
// and {?name} and {&name} slashes: a handler that opens files by these should do so
// in an [os.Root]. AddResourceTemplate panics when the registration is wrong.
//
// spec 2026-07-28 server/resources#security-considerations: "Servers MUST validate all resource URIs".
func (s *Server) AddResourceTemplate(def mcp.ResourceTemplate, h ResourceHandler, opts ...ResourceOption) {
	if err := s.TryAddResourceTemplate(def, h, opts...); err != nil {
		panic(err)
	}
}

// TryAddResourceTemplate is [Server.AddResourceTemplate] returning what is
// wrong with a registration.
func (s *Server) TryAddResourceTemplate(def mcp.ResourceTemplate, h ResourceHandler, opts ...ResourceOption) error {
	parsed, err := uritemplate.Parse(def.URITemplate)
	if err != nil {
		return fmt.Errorf("server: resource template %q: %w", def.URITemplate, err)
	}
	if def.Name == "" {
		return fmt.Errorf("server: resource template %q: it has no name", def.URITemplate)
	}
	cfg := resourceOptions(opts)
	for name := range cfg.completes {
		if !slices.Contains(parsed.Names(), name) {
			return fmt.Errorf("server: resource template %q: it has no variable %q to complete", def.URITemplate, name)
		}
	}
	raw, err := marshal(def)
	if err != nil {
		return fmt.Errorf("server: resource template %q: %w", def.URITemplate, err)
	}
	if cfg.completes != nil {
		s.asked.Store(true)
	}
	s.templates.put(&template{ResourceTemplate: def, json: raw, uri: parsed, read: h, cache: cfg.cache, completes: cfg.completes})
	s.publish(subscription.Resources, rpc.Change{Method: mcp.NotificationResourcesChanged})
	return nil
}

// RemoveResources removes resources by URI; unknown ones are ignored.
func (s *Server) RemoveResources(uris ...string) {
	if s.resources.remove(uris...) != nil {
		s.publish(subscription.Resources, rpc.Change{Method: mcp.NotificationResourcesChanged})
	}
}

// RemoveResourceTemplates removes templates; unknown ones are ignored.
func (s *Server) RemoveResourceTemplates(templates ...string) {
	if s.templates.remove(templates...) != nil {
		s.publish(subscription.Resources, rpc.Change{Method: mcp.NotificationResourcesChanged})
	}
}

// ResourceUpdated tells the clients that subscribed to a resource that it has
// changed, each in the spelling that it subscribed to: letters beyond ASCII may be
// escaped or not.
func (s *Server) ResourceUpdated(uri string) {
	for _, uri := range uritemplate.Spellings(uri) {
		p := append(Raw(`{"uri":`), jsonrpc.AppendString(nil, uri)...)
		s.publish(subscription.Resource, rpc.Change{Method: mcp.NotificationResourceUpdated, URI: uri, Params: append(p, '}')})
	}
}

func (s *Server) hasResources() bool { return s.resources.used() || s.templates.used() }

// findResource returns what reads uri.
func (s *Server) findResource(uri string) (read ResourceHandler, cache mcp.CacheHint, mime string, vars map[string]string) {
	if r, ok := s.resources.get(uri); ok {
		return r.read, r.cache, r.MIMEType, nil
	}
	for _, t := range s.templates.revision().order {
		if vars, ok := t.uri.Match(uri); ok && t.uri.Smuggled(vars) == "" {
			return t.read, t.cache, t.MIMEType, vars
		}
	}
	return nil, mcp.CacheHint{}, "", nil
}

// readResource answers resources/read.
func (s *Server) readResource(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if !s.hasResources() {
		return rpc.Result{}, notOffered(call.Method)
	}
	if err := rpc.CheckURI(call.Target); err != nil {
		return rpc.Result{}, err
	}
	read, cache, mime, vars := s.findResource(call.Target)
	if read == nil {
		return rpc.Result{}, mcp.ResourceNotFound(call.Target)
	}
	req := newRequest(ctx, call)
	req.vars = vars
	res, err := read(ctx, req)
	if in, ok := errors.AsType[*InputRequired](err); ok {
		return in.result(call)
	}
	if err != nil {
		return rpc.Result{}, ownWords(err)
	}
	if res == nil || len(res.Contents) == 0 {
		return rpc.Result{}, mcp.ResourceNotFound(call.Target)
	}
	out := *res
	out.Contents = slices.Clone(res.Contents) // the handler may share its result between calls
	for i := range out.Contents {
		c := &out.Contents[i]
		if c.URI == "" {
			c.URI = call.Target
		}
		if c.MIMEType == "" {
			c.MIMEType = mime
		}
	}
	body, err := marshal(&out)
	return rpc.Result{Body: body, Cache: cache}, err
}

// subscribe answers resources/subscribe and unsubscribe; who listens is the
// engine's to know.
func (s *Server) subscribe(call *rpc.Call) (rpc.Result, error) {
	if !s.hasResources() {
		return rpc.Result{}, notOffered(call.Method)
	}
	if err := rpc.CheckURI(call.Target); err != nil {
		return rpc.Result{}, err
	}
	if call.Method == mcp.MethodSubscribe {
		if read, _, _, _ := s.findResource(call.Target); read == nil {
			return rpc.Result{}, mcp.ResourceNotFound(call.Target)
		}
	}
	return rpc.Result{Body: Raw("{}")}, nil
}
