// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"reflect"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/jsonform"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

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
	if contentOnly(out) {
		return nil, nil
	}
	for out.Kind() == reflect.Pointer {
		out = out.Elem()
	}
	s, err := schemaFor(out, true)
	if err != nil || string(s.raw) == "{}" {
		return nil, err // a schema that says nothing is not listed
	}
	return s, nil
}

// encoder returns the function that turns an output into a result's JSON.
func encoder[Out any](check *schema) func(Out) (Raw, error) {
	options := jsonform.Forms
	if check != nil {
		options = check.options
	}
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
			return structured(v, check, options)
		}
		if check != nil && !res.IsError {
			if err := checkOutput(res.Structured, check); err != nil {
				return nil, err
			}
		}
		body, err := res.AppendJSON(nil)
		if err == nil && !utf8.Valid(body) { // raw JSON of the handler
			body, err = json.Marshal(Raw(body), jsonform.Text)
		}
		return body, err
	}
}

// structured returns a result with v as structured content and as text. A nil
// pointer stands for the zero value, other nothings for a result without content.
//
// spec 2026-07-28 server/tools#structured-content: "SHOULD also return the serialized JSON in a TextContent block".
func structured(v any, check *schema, options json.Options) (Raw, error) {
	if raw, ok := v.(Raw); v == nil || ok && raw == nil {
		return Raw(`{"content":[]}`), nil
	}
	zero := false
	for p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && !zero; p = p.Elem() {
		if zero = p.IsNil(); zero {
			v = zeroOf(p.Type())
		}
	}
	body, err := json.Marshal(v, json.Deterministic(true), options)
	if err != nil {
		return nil, &outputError{err}
	}
	if check != nil {
		err := checkOutput(body, check)
		if err != nil && zero {
			return mcp.ToolError("the tool returned nothing").AppendJSON(nil)
		}
		if err != nil {
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

// zeroOf returns a pointer to the zero value that a pointer type leads to.
func zeroOf(t reflect.Type) any {
	for t.Elem().Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return reflect.New(t.Elem()).Interface()
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
