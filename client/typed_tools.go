// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"iter"

	"github.com/holdfast-mcp/holdfast/mcp"
)

// ListTools returns one page of the server's tools; a nil cursor means the
// first. Tools whose definition the protocol forbids to use are left out.
func (c *Client) ListTools(ctx context.Context, cursor *string, opts ...CallOption) (*mcp.ListToolsResult, error) {
	var result mcp.ListToolsResult
	if err := c.typedCall(ctx, mcp.MethodListTools, mcp.ListParams{Cursor: cursor}, &result, opts); err != nil {
		return nil, err
	}
	if c.Features().MirrorHeaders {
		result.Tools = c.core.validTools(result.Tools)
	}
	return &result, nil
}

// Tools iterates over all tools of the server, page by page.
func (c *Client) Tools(ctx context.Context, opts ...CallOption) iter.Seq2[mcp.Tool, error] {
	return pages(ctx, func(ctx context.Context, cursor *string) ([]mcp.Tool, *string, error) {
		page, err := c.ListTools(ctx, cursor, opts...)
		if err != nil {
			return nil, nil, err
		}
		return page.Tools, page.NextCursor, nil
	})
}

// CallTool calls a tool. arguments is nil, JSON ([Raw]), or a value that encodes
// to a JSON object. A tool that failed is a result with IsError, not an error.
// When the server answers with a task, which it may if the client declared the
// tasks extension, CallTool waits for it, without progress and log messages, and
// without [CallTimeout]. When ctx ends first, the server is asked to cancel the task;
// the error names it. For a task that is to go on, use [Client.Call] and
// [Client.AwaitTask].
func (c *Client) CallTool(ctx context.Context, name string, arguments any, opts ...CallOption) (*mcp.CallToolResult, error) {
	raw, err := argumentsOf(arguments)
	if err != nil {
		return nil, err
	}
	result, err := c.rawCall(ctx, mcp.MethodCallTool, mcp.CallToolParams{Name: name, Arguments: raw}, opts)
	if err != nil {
		return nil, err
	}
	if c.Features().ResultTypes && resultType(result) == mcp.ResultTask && c.declared(mcp.ExtensionTasks) {
		if result, err = c.finishTask(ctx, result); err != nil {
			return nil, err
		}
	} else if err := c.complete(mcp.MethodCallTool, result); err != nil {
		return nil, err
	}
	var out mcp.CallToolResult
	if err := decodeResult(mcp.MethodCallTool, result, &out); err != nil {
		return nil, err
	}
	return &out, nil
}
