// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/uritemplate"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// complete routes by the prompt or the URI template that is completed.
func (g *Gateway) complete(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	ref, has := jsonrpc.Get(call.Params, "ref")
	if !has {
		return rpc.Result{}, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "params.ref is required")
	}
	switch kind := text(ref, "type"); kind {
	case mcp.RefPrompt:
		return g.completePrompt(ctx, call, ref)
	case mcp.RefResource:
		return g.completeURI(ctx, call, text(ref, "uri"))
	default:
		return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeInvalidParams,
			`params.ref.type must be "ref/prompt" or "ref/resource", not %s`, display.Quote(kind))
	}
}

func (g *Gateway) completePrompt(ctx context.Context, call *rpc.Call, ref Raw) (rpc.Result, error) {
	name := text(ref, "name")
	r, ok := g.lookUp(ctx, promptList, name)
	if !ok {
		return rpc.Result{}, g.unknown(promptList, name)
	}
	if r.quoted == nil {
		return r.source.backend.Handle(ctx, call)
	}
	own := *call
	own.Params = jsonrpc.Set(call.Params, "ref", jsonrpc.Set(ref, "name", r.quoted))
	return r.source.backend.Handle(ctx, &own)
}

// completeURI completes a variable of a template. Values that would make a URI
// which is left out are not shown.
func (g *Gateway) completeURI(ctx context.Context, call *rpc.Call, uri string) (rpc.Result, error) {
	if err := rpc.CheckURI(uri); err != nil {
		return rpc.Result{}, err
	}
	r, ok := g.lookUp(ctx, templateList, uri)
	if !ok {
		r, ok = g.resource(ctx, uri)
	}
	if !ok {
		return rpc.Result{}, g.unknown(resourceList, uri)
	}
	res, err := r.source.backend.Handle(ctx, call)
	if err != nil || !g.selects(r.source, resourceList) {
		return res, err
	}
	res.Body, err = g.withoutExcluded(r.source, uri, call.Params, res.Body)
	return res, err
}

// any stands for a variable whose value is not known yet: only a pattern that
// takes every value matches it.
const anyValue = "\ue000"

// withoutExcluded returns the result of a completion without the values that
// make, with the arguments known so far, a URI of s that is left out.
func (g *Gateway) withoutExcluded(s *source, template string, params, body Raw) (Raw, error) {
	var asked mcp.CompleteParams
	var got struct {
		Completion struct {
			Values []string `json:"values"`
		} `json:"completion"`
	}
	if err := json.Unmarshal(params, &asked); err != nil {
		return nil, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "completion needs ref and argument{name, value}")
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return nil, jsonrpc.NewError(jsonrpc.CodeInternal, "the server's completion has no list of values")
	}
	t, err := uritemplate.Parse(template)
	if err != nil {
		return body, nil //nolint:nilerr // a resource, of which nothing is made
	}
	values := map[string]string{}
	for _, name := range t.Names() {
		values[name] = anyValue
	}
	if asked.Context != nil {
		for name, value := range asked.Context.Arguments {
			values[name] = value
		}
	}
	kept := []string{}
	for _, v := range got.Completion.Values {
		values[asked.Argument.Name] = v
		if g.takesInstance(s, t.Expand(values)) {
			kept = append(kept, v)
		}
	}
	if len(kept) == len(got.Completion.Values) {
		return body, nil
	}
	list, err := json.Marshal(kept)
	if err != nil {
		return nil, err
	}
	completion, _ := jsonrpc.Get(body, "completion")
	return jsonrpc.Set(body, "completion", jsonrpc.Set(jsonrpc.Delete(completion, "total"), "values", list)), nil
}
