// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"iter"

	"github.com/holdfast-mcp/holdfast/mcp"
)

// ListPrompts returns one page of the server's prompts; a nil cursor means the
// first.
func (c *Client) ListPrompts(ctx context.Context, cursor *string, opts ...CallOption) (*mcp.ListPromptsResult, error) {
	var result mcp.ListPromptsResult
	if err := c.typedCall(ctx, mcp.MethodListPrompts, mcp.ListParams{Cursor: cursor}, &result, opts); err != nil {
		return nil, err
	}
	return &result, nil
}

// Prompts iterates over all prompts of the server, page by page.
func (c *Client) Prompts(ctx context.Context, opts ...CallOption) iter.Seq2[mcp.Prompt, error] {
	return pages(ctx, func(ctx context.Context, cursor *string) ([]mcp.Prompt, *string, error) {
		page, err := c.ListPrompts(ctx, cursor, opts...)
		if err != nil {
			return nil, nil, err
		}
		return page.Prompts, page.NextCursor, nil
	})
}

// GetPrompt returns a prompt with its arguments filled in.
func (c *Client) GetPrompt(ctx context.Context, name string, arguments map[string]string, opts ...CallOption) (*mcp.GetPromptResult, error) {
	var result mcp.GetPromptResult
	params := mcp.GetPromptParams{Name: name, Arguments: arguments}
	if err := c.typedCall(ctx, mcp.MethodGetPrompt, params, &result, opts); err != nil {
		return nil, err
	}
	return &result, nil
}
