// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/holdfast-mcp/holdfast/internal/jsonform"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
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
	typed   bool    // the arguments are decoded into a Go type, not handed on as they are
	headers []mcp.HeaderParam
	task    *taskConfig // nil when the tool cannot run as a task
	invoke  func(ctx context.Context, req *Request, args Raw) (Raw, error)
}

func (t *tool) key() string { return t.Name }
func (t *tool) listed() Raw { return t.json }

// AddTool adds a tool, or replaces the one of that name. In is a struct (or a
// map, any, or [Raw]) whose JSON schema clients see; arguments that
// do not satisfy it never reach h. Out becomes structured content with a text
// copy, unless it is [None], string, [mcp.Content], []mcp.Content or
// *[mcp.CallToolResult], which are content only. A nil *Out stands for the zero
// value, nil [Raw] or any for a result without content.
//
// An error that h returns becomes a result with isError, which the model can
// see, except a *[jsonrpc.Error], which fails the call, and [InputRequired]. An error
// that wraps what another server or the client said, such as a call of package
// client, is the handler's own, and the model reads it whole. AddTool panics when the registration is wrong; [TryAddTool] does not.
//
// # Schemas
//
// The schema of In is that of what decodes into it, the schema of Out that of what
// it encodes to, by the rules of encoding/json/v2 (these are not those of
// encoding/json):
//
//   - names are case-sensitive, and members that In does not have are refused;
//   - a field is required unless its json tag has omitzero (left out when it is
//     zero) or omitempty (left out when it encodes as null, "", {} or []: 0 and
//     false are kept), or it has a default, or lies in an embedded pointer;
//   - an embedded struct is flattened unless its json tag names it; a map or
//     [Raw] with the option embed takes the members that no other field has;
//   - []byte and [N]byte are base64; nil slices and maps encode as [] and {};
//   - types with text methods are strings, such as [net/netip.Addr]; time.Time is
//     RFC 3339, time.Duration a string like 1h30m, [net/url.URL] a string,
//     [math/big.Int] an integer. Of types with JSON methods, any and [Raw] the
//     schema says nothing. Types may hold themselves;
//   - functions, channels, complex numbers, json.Number, maps with other keys than
//     strings, integers and text, and, in In, interfaces with methods are refused.
//
// An integer may be written 5.0 or 1e3, and keeps every digit; in fields of type
// any numbers are float64. Null for a field that may be absent means absent, for a
// slice or map an empty one. Bytes that are not UTF-8 become U+FFFD.
//
// These struct tags are read wherever the struct stands, below slices, maps and
// pointers too; other keywords of JSON Schema, and habits such as min and
// required, are refused rather than ignored:
//
//	jsonschema, description   the description, and nothing but that
//	title                     a name for people
//	default                   the value of an absent field, applied at every depth;
//	                          for slices, maps and structs it is JSON
//	enum                      choices, separated by commas, without the blanks around them
//	minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf   of numbers
//	minLength, maxLength (characters), pattern, format                 of strings
//	minItems, maxItems, uniqueItems                                    of slices
//	minProperties, maxProperties                                       of maps
//	header                    see [Header]
//
// On a slice or map the tags of numbers and strings, and enum, are about its
// elements. A format is listed, not checked. What tags cannot say, options
// [InputSchema] and [OutputSchema] can; defaults of such a schema apply too, except
// with In = [Raw], which gets the arguments as they came.
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
	t.typed = !isRaw(reflect.TypeFor[In]())
	encode := encoder[Out](t.out)
	t.invoke = func(ctx context.Context, req *Request, args Raw) (Raw, error) {
		var in In
		if err := decode(args, &in, t.in.options); err != nil {
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

// isRaw reports whether t holds JSON as it is: [Raw], or json.RawMessage.
func isRaw(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && hasMethods(t, jsonDecoders)
}

func inputSchema(cfg *toolConfig, in reflect.Type) (*schema, error) {
	for in.Kind() == reflect.Pointer {
		in = in.Elem()
	}
	js, custom, err := inferSchema(in, false)
	if cfg.InputSchema != nil {
		s, err2 := parseSchema(cfg.InputSchema)
		if err2 == nil && s.resolved.Schema().Type != "object" {
			err2 = errors.New(`it must have "type":"object" at its root`)
		}
		if err == nil && !custom && s != nil {
			s.options = jsonform.Text
		}
		return s, err2
	}
	if err != nil {
		return nil, err
	}
	if isRaw(in) || in.Kind() == reflect.Interface {
		js.Type = "object"
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
	return inferred(js, custom)
}

// toolHeaders returns the Mcp-Param headers of a tool.
func (s *Server) toolHeaders(name string) []mcp.HeaderParam {
	if t, ok := s.tools.get(name); ok {
		return t.headers
	}
	return nil
}
