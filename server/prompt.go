// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// PromptHandler fills in a prompt added with [Server.AddPrompt]. Required
// arguments are there.
type PromptHandler func(ctx context.Context, req *Request, args map[string]string) (*mcp.GetPromptResult, error)

// PromptOption configures a prompt.
type PromptOption interface{ prompt(*promptConfig) }

type promptConfig struct {
	mcp.Prompt
	completes map[string]CompleteHandler
}

type prompt struct {
	mcp.Prompt
	json      Raw
	get       func(ctx context.Context, req *Request, args map[string]string, raw Raw) (*mcp.GetPromptResult, error)
	completes map[string]CompleteHandler
}

func (p *prompt) key() string { return p.Name }
func (p *prompt) listed() Raw { return p.json }

// AddPrompt adds a prompt, or replaces the one of that name. In is a struct of
// strings; each field is an argument, required unless its json tag has
// omitempty or omitzero. Other struct tags are those of [AddTool]. It panics when
// the registration is wrong.
func AddPrompt[In any](s *Server, name, description string,
	h func(ctx context.Context, req *Request, in In) (*mcp.GetPromptResult, error), opts ...PromptOption,
) {
	arguments, check, err := promptArguments(reflect.TypeFor[In]())
	if err != nil {
		panic(fmt.Errorf("server: prompt %q: %w", name, err))
	}
	cfg := &promptConfig{Prompt: mcp.Prompt{Name: name, Description: description, Arguments: arguments}}
	get := func(ctx context.Context, req *Request, _ map[string]string, raw Raw) (*mcp.GetPromptResult, error) {
		var in In
		raw, err := check.accept(raw, true)
		if err == nil {
			err = decode(raw, &in, check.options)
		}
		if err != nil {
			return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "invalid prompt arguments: %w", err)
		}
		return h(ctx, req, in)
	}
	if err := s.addPrompt(cfg, get, opts); err != nil {
		panic(err)
	}
}

// AddPrompt adds a prompt whose arguments are only known at run time, or
// replaces the one of that name. It panics when the registration is wrong.
func (s *Server) AddPrompt(def mcp.Prompt, h PromptHandler, opts ...PromptOption) {
	get := func(ctx context.Context, req *Request, args map[string]string, _ Raw) (*mcp.GetPromptResult, error) {
		return h(ctx, req, args)
	}
	if err := s.addPrompt(&promptConfig{Prompt: def}, get, opts); err != nil {
		panic(err)
	}
}

func (s *Server) addPrompt(cfg *promptConfig,
	get func(context.Context, *Request, map[string]string, Raw) (*mcp.GetPromptResult, error), opts []PromptOption,
) error {
	for _, o := range opts {
		o.prompt(cfg)
	}
	if cfg.Name == "" {
		return errors.New("server: a prompt without name")
	}
	for name := range cfg.completes {
		if !cfg.has(name) {
			return fmt.Errorf("server: prompt %q: it has no argument %q to complete", cfg.Name, name)
		}
	}
	raw, err := marshal(cfg.Prompt)
	if err != nil {
		return fmt.Errorf("server: prompt %q: %w", cfg.Name, err)
	}
	if cfg.completes != nil {
		s.asked.Store(true)
	}
	s.prompts.put(&prompt{Prompt: cfg.Prompt, json: raw, get: get, completes: cfg.completes})
	s.publish(subscription.Prompts, rpc.Change{Method: mcp.NotificationPromptsChanged})
	return nil
}

func (c *promptConfig) has(argument string) bool {
	for _, a := range c.Arguments {
		if a.Name == argument {
			return true
		}
	}
	return false
}

// promptArguments derives a prompt's arguments from a struct, and the schema that
// they must satisfy. Arguments that the struct lacks are ignored.
func promptArguments(t reflect.Type) ([]mcp.PromptArgument, *schema, error) {
	if t.Kind() != reflect.Struct {
		return nil, nil, fmt.Errorf("%s is not a struct", t)
	}
	js, custom, err := inferSchema(t, false)
	if err != nil {
		return nil, nil, err
	}
	js.AdditionalProperties = nil
	var out []mcp.PromptArgument
	for _, name := range js.PropertyOrder {
		p := js.Properties[name]
		if p.Type != "string" {
			return nil, nil, fmt.Errorf("argument %q is not a string", name)
		}
		out = append(out, mcp.PromptArgument{Name: name, Title: p.Title, Description: p.Description, Required: slices.Contains(js.Required, name)})
	}
	check, err := inferred(js, custom)
	return out, check, err
}

// RemovePrompts removes prompts by name; unknown names are ignored.
func (s *Server) RemovePrompts(names ...string) {
	if s.prompts.remove(names...) != nil {
		s.publish(subscription.Prompts, rpc.Change{Method: mcp.NotificationPromptsChanged})
	}
}

// getPrompt answers prompts/get.
func (s *Server) getPrompt(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	r := s.prompts.revision()
	if !r.ever {
		return rpc.Result{}, notOffered(call.Method)
	}
	p, ok := r.byKey[call.Target]
	if !ok {
		return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "unknown prompt %s", display.Quote(call.Target))
	}
	raw, args := call.Arguments, map[string]string{}
	if raw == nil {
		raw = Raw("{}")
	}
	if err := json.Unmarshal(raw, &args); err != nil || raw.Kind() != '{' {
		return rpc.Result{}, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "prompt arguments must be an object of strings")
	}
	for _, a := range p.Arguments {
		if _, ok := args[a.Name]; a.Required && !ok {
			return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "prompt argument %q is missing", a.Name)
		}
	}
	res, err := p.get(ctx, newRequest(ctx, call), args, raw)
	if in, ok := errors.AsType[*InputRequired](err); ok {
		return in.result(call)
	}
	if err != nil {
		return rpc.Result{}, ownWords(err)
	}
	if res == nil {
		res = &mcp.GetPromptResult{}
	}
	body, err := marshal(res)
	return rpc.Result{Body: body}, err
}
