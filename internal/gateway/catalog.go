// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"log/slog"

	"github.com/yosida95/uritemplate/v3"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Raw is a JSON value kept as received.
type Raw = jsonrpc.Raw

// route says where a public name leads.
type route struct {
	backend backend.Backend
	own     string // the name the backend knows
}

// listing is what one backend offered of one list, as received.
type listing struct {
	backend backend.Backend
	items   []Raw
}

// view is one merged list: its encoded answer and where its entries lead. It is
// immutable.
type view struct {
	body    Raw
	routes  map[string]route
	order   []string                     // public names in order
	headers map[string][]mcp.HeaderParam // tools only
	match   []templateRoute              // templates only
}

type templateRoute struct {
	template *uritemplate.Template
	route    route
}

// kind describes one of the four lists.
type kind struct {
	method  string // that lists it
	member  string // of the result that holds the items
	key     string // member of an item that names it
	renamed bool   // whether the key gets the server's prefix
}

var (
	toolKind     = kind{mcp.MethodListTools, "tools", "name", true}
	promptKind   = kind{mcp.MethodListPrompts, "prompts", "name", true}
	resourceKind = kind{mcp.MethodListResources, "resources", "uri", false}
	templateKind = kind{mcp.MethodListResourceTemplates, "resourceTemplates", "uriTemplate", false}

	kinds = []kind{toolKind, promptKind, resourceKind, templateKind}
)

// merge builds a view of the backends' listings in their order. Of two entries
// with the same key, the first keeps it: tools and prompts of the second get a
// digest, resources of the second are left out, since a URI cannot be renamed.
func merge(k kind, listings []listing, log *slog.Logger) *view {
	v := &view{routes: map[string]route{}, headers: map[string][]mcp.HeaderParam{}}
	body := append(Raw(nil), '{', '"')
	body = append(append(body, k.member...), '"', ':', '[')
	for _, l := range listings {
		for _, item := range l.items {
			entry, ok := v.admit(k, l.backend, item, log)
			if !ok {
				continue
			}
			if len(v.order) > 1 {
				body = append(body, ',')
			}
			body = append(body, entry...)
		}
	}
	v.body = append(body, ']', '}')
	return v
}

// admit gives one item its public key and enters it; ok is false when it is dropped.
func (v *view) admit(k kind, b backend.Backend, item Raw, log *slog.Logger) (Raw, bool) {
	own := text(item, k.key)
	if own == "" {
		log.Warn("entry without a name dropped", "server", b.Name(), "list", k.member)
		return nil, false
	}
	public := own
	if k.renamed {
		public = publicName(b.Name(), own)
		if _, taken := v.routes[public]; taken {
			public = withDigest(public, b.Name()+"\x00"+own)
		}
	}
	if first, taken := v.routes[public]; taken {
		log.Warn("entry hidden by another server's", "list", k.member, "name", public, "server", b.Name(), "kept", first.backend.Name())
		return nil, false
	}
	if k.member == toolKind.member && !v.admitHeaders(public, b, item, log) {
		return nil, false
	}
	if k.member == templateKind.member {
		t, err := uritemplate.New(own)
		if err != nil {
			log.Warn("invalid URI template dropped", "server", b.Name(), "template", own, "error", err)
			return nil, false
		}
		v.match = append(v.match, templateRoute{t, route{b, own}})
	}
	v.routes[public] = route{b, own}
	v.order = append(v.order, public)
	if public != own {
		item = jsonrpc.Set(item, k.key, jsonrpc.AppendString(nil, public))
	}
	return item, true
}

// admitHeaders reads a tool's x-mcp-header annotations and reports whether they are valid.
//
// spec 2026-07-28 basic/transports/streamable-http: invalid definitions must not be re-published.
func (v *view) admitHeaders(public string, b backend.Backend, item Raw, log *slog.Logger) bool {
	schema, _ := jsonrpc.Get(item, "inputSchema")
	params, err := mcp.HeaderParams(schema)
	if err != nil {
		log.Warn("tool with invalid x-mcp-header dropped", "server", b.Name(), "tool", text(item, "name"), "error", err)
		return false
	}
	if len(params) > 0 {
		v.headers[public] = params
	}
	return true
}

// find returns where a URI leads by the templates.
func (v *view) find(uri string) (route, bool) {
	for _, t := range v.match {
		if t.template.Match(uri) != nil {
			return t.route, true
		}
	}
	return route{}, false
}

// items returns the members of a list result's array.
func items(res rpc.Result, k kind) ([]Raw, string, error) {
	array, ok := jsonrpc.Get(res.Body, k.member)
	if !ok {
		return nil, "", jsonrpc.Errorf(jsonrpc.CodeInternal, "result of %s lacks %q", k.method, k.member)
	}
	var list []Raw
	if err := json.Unmarshal(array, &list); err != nil {
		return nil, "", jsonrpc.Errorf(jsonrpc.CodeInternal, "result of %s: %q is not an array", k.method, k.member)
	}
	return list, text(res.Body, "nextCursor"), nil
}

// text returns a string member of an object, "" when there is none.
func text(obj Raw, name string) string {
	v, _ := jsonrpc.Get(obj, name)
	s, _ := jsonrpc.Unquote(v)
	return s
}
