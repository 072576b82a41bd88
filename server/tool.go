// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// None is the input of a tool without arguments, or the output of one that
// returns nothing.
type None struct{}

// ToolHandler answers calls of a tool added with [Server.AddTool]. The
// arguments satisfy the tool's input schema.
type ToolHandler func(ctx context.Context, req *Request) (*mcp.CallToolResult, error)

// tool is a registered tool.
type tool struct {
	mcp.Tool
	json    Raw
	in, out *schema // out may be nil
	headers []mcp.HeaderParam
	task    *taskConfig // nil when the tool cannot run as a task
	invoke  func(ctx context.Context, req *Request, args Raw) (Raw, error)
}

func (t *tool) key() string { return t.Name }
func (t *tool) listed() Raw { return t.json }

// AddTool adds a tool, or replaces the one of that name. In is a struct (or a
// map with string keys, or [Raw]) whose JSON schema clients see; arguments that
// do not satisfy it never reach h. Out becomes structured content with a text
// copy, unless it is [None], string, [mcp.Content], []mcp.Content or
// *[mcp.CallToolResult], which are content only.
//
// An error that h returns becomes a result with isError, which the model can
// see, except a *[jsonrpc.Error], which fails the call, and [InputRequired].
// AddTool panics when the registration is wrong; [TryAddTool] does not.
func AddTool[In, Out any](s *Server, name, description string,
	h func(ctx context.Context, req *Request, in In) (Out, error), opts ...ToolOption,
) {
	if err := TryAddTool(s, name, description, h, opts...); err != nil {
		panic(err)
	}
}

// TryAddTool is [AddTool] returning what is wrong with a registration.
func TryAddTool[In, Out any](s *Server, name, description string,
	h func(ctx context.Context, req *Request, in In) (Out, error), opts ...ToolOption,
) error {
	cfg := toolConfig{Tool: mcp.Tool{Name: name, Description: description}}
	for _, o := range opts {
		o.tool(&cfg)
	}
	t, err := newTool(&cfg, reflect.TypeFor[In](), reflect.TypeFor[Out]())
	if err != nil {
		return fmt.Errorf("server: tool %q: %w", name, err)
	}
	defaults := cfg.defaults
	encode := encoder[Out](t.out)
	t.invoke = func(ctx context.Context, req *Request, args Raw) (Raw, error) {
		var in In
		if defaults != nil {
			if err := json.Unmarshal(defaults, &in); err != nil {
				return nil, fmt.Errorf("defaults of tool %q: %w", name, err)
			}
		}
		if err := json.Unmarshal(args, &in); err != nil {
			return nil, fmt.Errorf("invalid arguments: %w", err)
		}
		out, err := h(ctx, req, in)
		if err != nil {
			return nil, err
		}
		return encode(out)
	}
	s.addTool(t)
	return nil
}

// AddTool adds a tool whose schema is only known at run time, or replaces the
// one of that name. It panics when the registration is wrong.
func (s *Server) AddTool(def mcp.Tool, h ToolHandler, opts ...ToolOption) {
	if err := s.TryAddTool(def, h, opts...); err != nil {
		panic(err)
	}
}

// TryAddTool is [Server.AddTool] returning what is wrong with a registration.
func (s *Server) TryAddTool(def mcp.Tool, h ToolHandler, opts ...ToolOption) error {
	cfg := toolConfig{Tool: def}
	for _, o := range opts {
		o.tool(&cfg)
	}
	t, err := newTool(&cfg, reflect.TypeFor[Raw](), reflect.TypeFor[*mcp.CallToolResult]())
	if err != nil {
		return fmt.Errorf("server: tool %q: %w", def.Name, err)
	}
	encode := encoder[*mcp.CallToolResult](t.out)
	t.invoke = func(ctx context.Context, req *Request, _ Raw) (Raw, error) {
		out, err := h(ctx, req)
		if err != nil {
			return nil, err
		}
		return encode(out)
	}
	s.addTool(t)
	return nil
}

// RemoveTools removes tools by name; unknown names are ignored.
func (s *Server) RemoveTools(names ...string) {
	removed := s.tools.remove(names...)
	for _, t := range removed {
		if t.task != nil {
			s.taskTools.Add(-1)
		}
	}
	if removed != nil {
		s.publish(subscription.Tools, rpc.Change{Method: mcp.NotificationToolsChanged})
	}
}

func (s *Server) addTool(t *tool) {
	if t.task != nil {
		s.taskTools.Add(1)
	}
	if old, replaced := s.tools.put(t); replaced && old.task != nil {
		s.taskTools.Add(-1)
	}
	s.publish(subscription.Tools, rpc.Change{Method: mcp.NotificationToolsChanged})
}

// newTool prepares all of a tool but its invoke function.
func newTool(cfg *toolConfig, in, out reflect.Type) (*tool, error) {
	if err := checkName(cfg.Name); err != nil {
		return nil, err
	}
	t := &tool{task: cfg.task}
	var err error
	if t.in, err = inputSchema(cfg, in); err != nil {
		return nil, fmt.Errorf("input schema: %w", err)
	}
	if t.out, err = outputSchema(cfg, out); err != nil {
		return nil, fmt.Errorf("output schema: %w", err)
	}
	cfg.InputSchema = t.in.raw
	if t.out != nil {
		cfg.OutputSchema = t.out.raw
	}
	if t.headers, err = mcp.HeaderParams(cfg.InputSchema); err != nil {
		return nil, fmt.Errorf("x-mcp-header: %w", err)
	}
	if t.task != nil {
		cfg.Execution = &mcp.ToolExecution{TaskSupport: t.task.support}
	}
	t.Tool = cfg.Tool
	t.json, err = marshal(cfg.Tool)
	return t, err
}

// checkName holds names to what every revision allows.
//
// spec 2026-07-28 server/tools#tool-names.
func checkName(name string) error {
	if name == "" || len(name) > 128 {
		return errors.New("a name has 1 to 128 characters")
	}
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.':
		default:
			return fmt.Errorf("the name holds %q; letters, digits, '_', '-' and '.' are allowed", c)
		}
	}
	return nil
}

func inputSchema(cfg *toolConfig, in reflect.Type) (*schema, error) {
	if cfg.InputSchema != nil {
		s, err := parseSchema(cfg.InputSchema)
		if err == nil && s.resolved.Schema().Type != "object" {
			err = errors.New(`it must have "type":"object" at its root`)
		}
		if err != nil {
			return nil, err
		}
		return s, cfg.setDefaults(s.resolved.Schema())
	}
	for in.Kind() == reflect.Pointer {
		in = in.Elem()
	}
	js, err := inferSchema(in)
	if err != nil {
		return nil, err
	}
	if in == reflect.TypeFor[Raw]() || in.Kind() == reflect.Interface {
		js.Type = "object"
	}
	if js.Types != nil && in.Kind() == reflect.Map {
		js.Types, js.Type = nil, "object"
	}
	if js.Type != "object" {
		return nil, fmt.Errorf("%s is not an object", in)
	}
	for param, header := range cfg.headers {
		p := js.Properties[param]
		if p == nil {
			return nil, fmt.Errorf("option Header names parameter %q, which does not exist", param)
		}
		p.Extra = map[string]any{"x-mcp-header": header}
	}
	raw, err := encodeSchema(js)
	if err != nil {
		return nil, err
	}
	s, err := resolve(js, raw)
	if err != nil {
		return nil, err
	}
	return s, cfg.setDefaults(js)
}

// setDefaults collects the defaults of top-level properties.
func (c *toolConfig) setDefaults(js *jsonschema.Schema) error {
	for name, p := range js.Properties {
		if p != nil && p.Default != nil {
			c.defaults = jsonrpc.Set(c.defaults, name, Raw(p.Default))
		}
	}
	return nil
}

// contentOnly reports whether values of t are content without structure.
func contentOnly(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[None](), reflect.TypeFor[string](), reflect.TypeFor[mcp.Content](),
		reflect.TypeFor[[]mcp.Content](), reflect.TypeFor[*mcp.CallToolResult](), reflect.TypeFor[mcp.CallToolResult]():
		return true
	}
	return false
}

func outputSchema(cfg *toolConfig, out reflect.Type) (*schema, error) {
	if cfg.OutputSchema != nil {
		return parseSchema(cfg.OutputSchema)
	}
	if contentOnly(out) || out.Kind() == reflect.Interface {
		return nil, nil
	}
	for out.Kind() == reflect.Pointer {
		out = out.Elem()
	}
	if _, err := json.Marshal(reflect.Zero(out).Interface()); err != nil {
		return nil, err // such as a type without a JSON form
	}
	return schemaFor(out)
}

// encoder returns the function that turns an output into a result's JSON.
func encoder[Out any](check *schema) func(Out) (Raw, error) {
	return func(out Out) (Raw, error) {
		var res mcp.CallToolResult
		switch v := any(out).(type) {
		case None:
			return Raw(`{"content":[]}`), nil
		case string:
			res.Content = []mcp.Content{mcp.Text(v)}
		case mcp.Content:
			res.Content = []mcp.Content{v}
		case []mcp.Content:
			res.Content = v
		case mcp.CallToolResult:
			res = v
		case *mcp.CallToolResult:
			if v != nil {
				res = *v
			}
		default:
			return structured(v, check)
		}
		if check != nil && !res.IsError {
			if err := checkOutput(res.Structured, check); err != nil {
				return nil, err
			}
		}
		return res.AppendJSON(nil)
	}
}

// structured returns a result with v as structured content and as text.
//
// spec 2026-07-28 server/tools#structured-content: "SHOULD also return the serialized JSON in a TextContent block".
func structured(v any, check *schema) (Raw, error) {
	body, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return nil, &outputError{err}
	}
	if check != nil {
		if err := checkOutput(body, check); err != nil {
			return nil, err
		}
	}
	dst := make(Raw, 0, 2*len(body)+80)
	dst = append(dst, `{"content":[{"type":"text","text":`...)
	dst = jsonrpc.AppendString(dst, string(body))
	dst = append(dst, `}],"structuredContent":`...)
	dst = append(dst, body...)
	return append(dst, '}'), nil
}

// outputError is a tool's output that it must not return. It is the server's
// fault, so the client learns only that something failed.
type outputError struct{ err error }

func (e *outputError) Error() string { return "tool output: " + e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }

func checkOutput(body Raw, check *schema) error {
	if body == nil {
		return &outputError{errors.New("structured content is missing")}
	}
	if err := check.validate(body); err != nil {
		return &outputError{err}
	}
	return nil
}

// toolHeaders returns the Mcp-Param headers of a tool.
func (s *Server) toolHeaders(name string) []mcp.HeaderParam {
	if t, ok := s.tools.get(name); ok {
		return t.headers
	}
	return nil
}
