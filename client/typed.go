// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/holdfast-mcp/holdfast/internal/jsonform"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// typedCall encodes params, calls, and decodes a complete result into out; nil
// out drops it.
func (c *Client) typedCall(ctx context.Context, method string, params, out any, opts []CallOption) error {
	result, err := c.rawCall(ctx, method, params, opts)
	if err != nil {
		return err
	}
	if err := c.complete(method, result); err != nil {
		return err
	}
	return decodeResult(method, result, out)
}

func (c *Client) rawCall(ctx context.Context, method string, params any, opts []CallOption) (Raw, error) {
	var o CallOptions
	for _, opt := range opts {
		opt.applyCall(&o)
	}
	o.Large = nil // what is decoded is held anyway
	raw, err := json.Marshal(params, jsonform.Text)
	if err != nil {
		return nil, fmt.Errorf("encode the params of %s: %w", method, err)
	}
	result, err := c.Call(ctx, method, raw, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	return result, nil
}

// complete refuses a result that is of another kind than a plain one.
//
// spec 2026-07-28 basic: an unknown resultType is invalid.
func (c *Client) complete(method string, result Raw) error {
	if !c.Features().ResultTypes {
		return nil
	}
	if t := resultType(result); t != mcp.ResultComplete {
		return fmt.Errorf("%s: %w", method, protocolErrorf("a result of type %q", t))
	}
	return nil
}

func decodeResult(method string, result Raw, out any) error {
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(result, out); err != nil {
		return fmt.Errorf("%s: %w", method, &ProtocolError{What: "unreadable result", Err: err})
	}
	return nil
}

// pages iterates over all items of a list. It stops with an error when the
// server repeats a cursor or has more pages than a list may have.
func pages[T any](ctx context.Context, page func(context.Context, *string) ([]T, *string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		var cursor *string
		for range maxListPages {
			items, next, err := page(ctx, cursor)
			if err != nil {
				yield(zero, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == nil {
				return
			}
			if cursor != nil && *cursor == *next {
				yield(zero, protocolErrorf("a list whose next page is the present one"))
				return
			}
			cursor = next
		}
		yield(zero, protocolErrorf("a list of more than %d pages", maxListPages))
	}
}

// Ping asks whether the server is there. A modern server, which knows no ping,
// is asked to introduce itself.
func (c *Client) Ping(ctx context.Context) error {
	method := mcp.MethodPing
	if !c.Features().Request(method) {
		method = mcp.MethodDiscover
	}
	if _, err := c.Call(ctx, method, nil, CallOptions{}); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return nil
}

// SetLogLevel asks for log messages from this level on. A legacy server is told
// now, a modern one with every later call.
func (c *Client) SetLogLevel(ctx context.Context, level mcp.LogLevel) error {
	if !level.Valid() {
		return fmt.Errorf("unknown log level %q", level)
	}
	if c.Features().Request(mcp.MethodSetLevel) {
		params := struct {
			Level mcp.LogLevel `json:"level"`
		}{level}
		if err := c.typedCall(ctx, mcp.MethodSetLevel, params, nil, nil); err != nil {
			return err
		}
	}
	c.core.level.Store(level)
	return nil
}

// Complete asks for completions of an argument.
func (c *Client) Complete(ctx context.Context, params *mcp.CompleteParams, opts ...CallOption) (*mcp.Completion, error) {
	var result mcp.CompleteResult
	if err := c.typedCall(ctx, mcp.MethodComplete, params, &result, opts); err != nil {
		return nil, err
	}
	return &result.Completion, nil
}

// Subscribe asks for updates of a resource, which go to [OnResourceUpdated]. It
// is idempotent.
func (c *Client) Subscribe(ctx context.Context, uri string) error {
	return c.relisten(ctx, func(f *Filter) {
		if !slices.Contains(f.URIs, uri) {
			f.URIs = append(f.URIs, uri)
		}
	})
}

// Unsubscribe takes back [Client.Subscribe]. It is idempotent.
func (c *Client) Unsubscribe(ctx context.Context, uri string) error {
	return c.relisten(ctx, func(f *Filter) {
		f.URIs = slices.DeleteFunc(f.URIs, func(u string) bool { return u == uri })
	})
}

// RootsChanged tells a legacy server that the roots have changed; a modern one
// asks when it needs them.
func (c *Client) RootsChanged(ctx context.Context) error {
	if !c.Features().Notification(mcp.NotificationRootsChanged) {
		return nil
	}
	return c.Notify(ctx, mcp.NotificationRootsChanged, nil)
}

func argumentsOf(v any) (Raw, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case Raw:
		return v, nil
	case []byte:
		return Raw(v), nil
	}
	raw, err := json.Marshal(v, jsonform.Forms)
	if err != nil {
		return nil, fmt.Errorf("encode the arguments: %w", err)
	}
	if Raw(raw).Kind() != '{' {
		return nil, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "arguments must be a JSON object")
	}
	return raw, nil
}
