// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// initializeParams are the params of the legacy handshake. Without a version
// of their own, they propose the newest legacy one.
//
// spec 2025-11-25 basic/lifecycle#initialization.
func (k *core) initializeParams(v mcp.Version) Raw {
	if v.Era() != mcp.Legacy {
		v = mcp.LatestLegacy
	}
	params := jsonrpc.Set(nil, "protocolVersion", jsonrpc.AppendString(nil, string(v)))
	params = jsonrpc.Set(params, "capabilities", k.caps)
	return jsonrpc.Set(params, "clientInfo", k.info)
}

// parseInitialize reads the result of initialize.
func parseInitialize(raw Raw) (*hello, error) {
	var r struct {
		Version      mcp.Version            `json:"protocolVersion"`
		Capabilities mcp.ServerCapabilities `json:"capabilities"`
		ServerInfo   mcp.Implementation     `json:"serverInfo"`
		Instructions string                 `json:"instructions"`
	}
	raw, err := readHello(raw, &r)
	if err != nil {
		return nil, &ProtocolError{What: "unreadable result of " + mcp.MethodInitialize, Err: err}
	}
	if r.Version.Era() != mcp.Legacy {
		return nil, fmt.Errorf("the server answers %s with version %q: %w", mcp.MethodInitialize, r.Version, ErrNoCommonVersion)
	}
	return &hello{
		raw: raw, version: r.Version, capabilities: r.Capabilities, info: r.ServerInfo, instructions: r.Instructions,
	}, nil
}

// cancelledParams are the params of notifications/cancelled.
func cancelledParams(id jsonrpc.ID, cause error) Raw {
	params := jsonrpc.Set(nil, "requestId", id.Raw())
	return jsonrpc.Set(params, "reason", jsonrpc.AppendString(nil, cause.Error()))
}
