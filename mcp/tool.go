// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import (
	"errors"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/jsonform"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Tool describes a tool as lists carry it.
//
// spec 2026-07-28 server/tools#data-types.
type Tool struct {
	Name         string           `json:"name"`
	Title        string           `json:"title,omitzero"`
	Description  string           `json:"description,omitzero"`
	Icons        []Icon           `json:"icons,omitzero"`
	InputSchema  Raw              `json:"inputSchema"`
	OutputSchema Raw              `json:"outputSchema,omitzero"`
	Annotations  *ToolAnnotations `json:"annotations,omitzero"`
	Execution    *ToolExecution   `json:"execution,omitzero"` // 2025-11-25
	Meta         Raw              `json:"_meta,omitzero"`
}

// ToolAnnotations are hints about a tool. Clients must not trust them unless
// they trust the server.
type ToolAnnotations struct {
	Title       string `json:"title,omitzero"`
	ReadOnly    bool   `json:"readOnlyHint,omitzero"`
	Destructive *bool  `json:"destructiveHint,omitzero"` // nil means true
	Idempotent  bool   `json:"idempotentHint,omitzero"`
	OpenWorld   *bool  `json:"openWorldHint,omitzero"` // nil means true
}

// Repeatable reports whether a tool's entry in a list marks it as read-only or
// idempotent, so that a call whose outcome was lost may be made again.
//
// spec 2025-11-25 server/tools#tool: annotations are hints.
func Repeatable(tool Raw) bool {
	annotations, _ := jsonrpc.Get(tool, "annotations")
	for _, name := range []string{"readOnlyHint", "idempotentHint"} {
		if v, _ := jsonrpc.Get(annotations, name); string(v) == "true" {
			return true
		}
	}
	return false
}

// Values of ToolExecution.TaskSupport.
const (
	TaskForbidden = "forbidden"
	TaskOptional  = "optional"
	TaskRequired  = "required"
)

// ToolExecution says how a tool runs.
type ToolExecution struct {
	TaskSupport string `json:"taskSupport,omitzero"`
}

// ListParams are the params of every list.
type ListParams struct {
	Cursor *string `json:"cursor,omitzero"` // nil for the first page
	Meta   Raw     `json:"_meta,omitzero"`
}

// ListToolsResult is a page of tools.
type ListToolsResult struct {
	Tools      []Tool  `json:"tools"`
	NextCursor *string `json:"nextCursor,omitzero"`
	Meta       Raw     `json:"_meta,omitzero"`
}

// CallToolParams are the params of tools/call.
type CallToolParams struct {
	Name      string `json:"name"`
	Arguments Raw    `json:"arguments,omitzero"`
	Meta      Raw    `json:"_meta,omitzero"`
}

// CallToolResult is what a tool answers. A tool that failed says so by IsError
// and in its content, so that the model can see it.
type CallToolResult struct {
	Content    []Content `json:"content"`
	Structured Raw       `json:"structuredContent,omitzero"`
	IsError    bool      `json:"isError,omitzero"`
	Meta       Raw       `json:"_meta,omitzero"`
}

// ToolError returns the result of a tool that failed.
func ToolError(text string) *CallToolResult {
	return &CallToolResult{Content: []Content{Text(text)}, IsError: true}
}

// Text returns the text blocks of the result, joined by newlines.
func (r *CallToolResult) Text() string { return ContentList(r.Content).Text() }

// AppendJSON appends the result as JSON to dst.
func (r *CallToolResult) AppendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, `{"content":[`...)
	var err error
	for i := range r.Content {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = r.Content[i].AppendJSON(dst); err != nil {
			return dst, err
		}
	}
	dst = append(dst, ']')
	if r.Structured != nil {
		dst = append(dst, `,"structuredContent":`...)
		dst = append(dst, r.Structured...)
	}
	if r.IsError {
		dst = append(dst, `,"isError":true`...)
	}
	if r.Meta != nil {
		dst = append(dst, `,"_meta":`...)
		dst = append(dst, r.Meta...)
	}
	return append(dst, '}'), nil
}

// UnmarshalInto decodes the structured content into v. It fails when there is none,
// as from servers of revisions before 2025-06-18; their content may be the same as text.
func (r *CallToolResult) UnmarshalInto(v any) error {
	if r.Structured == nil {
		return errors.New("the result has no structured content")
	}
	return json.Unmarshal(r.Structured, v, jsonform.Exact)
}
