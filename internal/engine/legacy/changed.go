// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// changed returns the notification of an event, or nil when the version has none.
func changed(f *mcp.Features, e subscription.Event) []byte {
	var method string
	params := e.Params
	switch e.Topic.Kind {
	case subscription.Tools:
		method = mcp.NotificationToolsChanged
	case subscription.Prompts:
		method = mcp.NotificationPromptsChanged
	case subscription.Resources:
		method = mcp.NotificationResourcesChanged
	case subscription.Resource:
		method = mcp.NotificationResourceUpdated
		if _, has := jsonrpc.Get(params, "uri"); !has {
			params = jsonrpc.Set(params, "uri", jsonrpc.AppendString(nil, e.Topic.Key))
		}
	default:
		return nil
	}
	down, ok := mcp.DownNotification(f, method, params)
	if !ok {
		return nil
	}
	return jsonrpc.AppendNotification(nil, method, down)
}
