// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"iter"

	"github.com/holdfast-mcp/holdfast/mcp"
)

// ListResources returns one page of the server's resources; a nil cursor means
// the first.
func (c *Client) ListResources(ctx context.Context, cursor *string, opts ...CallOption) (*mcp.ListResourcesResult, error) {
	var result mcp.ListResourcesResult
	if err := c.typedCall(ctx, mcp.MethodListResources, mcp.ListParams{Cursor: cursor}, &result, opts); err != nil {
		return nil, err
	}
	return &result, nil
}

// Resources iterates over all resources of the server, page by page.
func (c *Client) Resources(ctx context.Context, opts ...CallOption) iter.Seq2[mcp.Resource, error] {
	return pages(ctx, func(ctx context.Context, cursor *string) ([]mcp.Resource, *string, error) {
		page, err := c.ListResources(ctx, cursor, opts...)
		if err != nil {
			return nil, nil, err
		}
		return page.Resources, page.NextCursor, nil
	})
}

// ListResourceTemplates returns one page of the server's resource templates; a
// nil cursor means the first.
func (c *Client) ListResourceTemplates(ctx context.Context, cursor *string, opts ...CallOption) (*mcp.ListResourceTemplatesResult, error) {
	var result mcp.ListResourceTemplatesResult
	if err := c.typedCall(ctx, mcp.MethodListResourceTemplates, mcp.ListParams{Cursor: cursor}, &result, opts); err != nil {
		return nil, err
	}
	return &result, nil
}

// ResourceTemplates iterates over all resource templates, page by page.
func (c *Client) ResourceTemplates(ctx context.Context, opts ...CallOption) iter.Seq2[mcp.ResourceTemplate, error] {
	return pages(ctx, func(ctx context.Context, cursor *string) ([]mcp.ResourceTemplate, *string, error) {
		page, err := c.ListResourceTemplates(ctx, cursor, opts...)
		if err != nil {
			return nil, nil, err
		}
		return page.ResourceTemplates, page.NextCursor, nil
	})
}

// ReadResource reads a resource.
func (c *Client) ReadResource(ctx context.Context, uri string, opts ...CallOption) (*mcp.ReadResourceResult, error) {
	var result mcp.ReadResourceResult
	if err := c.typedCall(ctx, mcp.MethodReadResource, mcp.ReadResourceParams{URI: uri}, &result, opts); err != nil {
		return nil, err
	}
	return &result, nil
}
