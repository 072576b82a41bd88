// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// CompleteHandler suggests values for an argument that begins like value.
// settled holds the arguments that are already filled in. It may return any
// number; clients get the first hundred and the total.
type CompleteHandler func(ctx context.Context, req *Request, value string, settled map[string]string) ([]string, error)

// CompleteOption completes one argument of a prompt or one variable of a
// resource template.
type CompleteOption struct {
	name string
	h    CompleteHandler
}

// Complete makes h suggest values for the argument or variable called name.
func Complete(name string, h CompleteHandler) CompleteOption { return CompleteOption{name, h} }

func (o CompleteOption) prompt(c *promptConfig)     { o.put(&c.completes) }
func (o CompleteOption) resource(c *resourceConfig) { o.put(&c.completes) }

func (o CompleteOption) put(m *map[string]CompleteHandler) {
	if *m == nil {
		*m = map[string]CompleteHandler{}
	}
	(*m)[o.name] = o.h
}

// complete answers completion/complete.
//
// spec 2026-07-28 server/utilities/completion.
func (s *Server) complete(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if !s.asked.Load() {
		return rpc.Result{}, notOffered(call.Method)
	}
	var params mcp.CompleteParams
	if err := json.Unmarshal(call.Params, &params); err != nil || params.Argument.Name == "" {
		return rpc.Result{}, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "completion needs ref and argument{name, value}")
	}
	h, err := s.completer(params.Ref, params.Argument.Name)
	if err != nil {
		return rpc.Result{}, err
	}
	var values []string
	if h != nil {
		settled := map[string]string{}
		if params.Context != nil && params.Context.Arguments != nil {
			settled = params.Context.Arguments
		}
		if values, err = h(ctx, newRequest(ctx, call), params.Argument.Value, settled); err != nil {
			return rpc.Result{}, ownWords(err)
		}
	}
	total := int64(len(values))
	c := mcp.Completion{Values: values[:min(len(values), mcp.MaxCompletions)], Total: &total}
	c.HasMore = len(c.Values) < len(values)
	body, err := marshal(mcp.CompleteResult{Completion: c})
	return rpc.Result{Body: body}, err
}

// completer returns the handler for an argument, nil when it has none.
func (s *Server) completer(ref mcp.Reference, name string) (CompleteHandler, error) {
	switch ref.Type {
	case mcp.RefPrompt:
		if p, ok := s.prompts.get(ref.Name); ok {
			return p.completes[name], nil
		}
		return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "unknown prompt %s", display.Quote(ref.Name))
	case mcp.RefResource:
		if err := rpc.CheckURI(ref.URI); err != nil {
			return nil, err
		}
		if t, ok := s.templates.get(ref.URI); ok {
			return t.completes[name], nil
		}
		if _, ok := s.resources.get(ref.URI); ok {
			return nil, nil
		}
		return nil, mcp.ResourceNotFound(ref.URI)
	}
	return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "unknown reference type %s", display.Quote(ref.Type))
}
