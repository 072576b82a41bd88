// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package rpc

import "github.com/holdfast-mcp/holdfast/mcp"

// ServerParts is what the runtime needs of an SDK server, whose public API
// shows no internal type.
type ServerParts struct {
	Handler     Handler
	Info        mcp.Implementation
	Extensions  []mcp.Extension
	ToolHeaders func(tool string) []mcp.HeaderParam
	// Forward makes the server hand every change to sink, which must not block,
	// until stop is called.
	Forward func(sink func(Change)) (stop func())
}

// Change is something a server announces: a notification of list or content change.
type Change struct {
	Method string // such as notifications/tools/list_changed
	URI    string // of notifications/resources/updated
	Params Raw    // nil for none
}

// PartsOf returns the parts of an SDK server, and false when v is none. Package
// server sets it when it is linked in.
var PartsOf = func(v any) (ServerParts, bool) { return ServerParts{}, false }
