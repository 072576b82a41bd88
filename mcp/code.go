// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import (
	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Error codes that MCP adds to JSON-RPC's.
const (
	CodeResourceNotFound       = -32002 // legacy only; modern says -32602 with data.uri
	CodeURLElicitationRequired = -32042 // 2025-11-25 only
	CodeHeaderMismatch         = -32020 // modern
	CodeMissingCapability      = -32021 // modern; data.requiredCapabilities
	CodeUnsupportedVersion     = -32022 // modern; data.supported, data.requested
)

// HTTPStatus returns the status of a modern error response whose stream has not
// begun.
//
// spec 2026-07-28 basic/transports: 404 for -32601 and 400 for the reserved
// codes are MUSTs; 400 for -32602 and 500 for -32603 follow the draft error
// registry, as the revision leaves them open.
func HTTPStatus(code int64) int {
	switch code {
	case jsonrpc.CodeMethodNotFound:
		return 404
	case jsonrpc.CodeInternal:
		return 500
	case jsonrpc.CodeParse, jsonrpc.CodeInvalidRequest, jsonrpc.CodeInvalidParams,
		CodeHeaderMismatch, CodeMissingCapability, CodeUnsupportedVersion:
		return 400
	}
	return 200
}

// UnsupportedVersion is the error for a version that is not served.
func UnsupportedVersion(requested string, supported []Version) *jsonrpc.Error {
	return jsonrpc.Errorf(CodeUnsupportedVersion, "unsupported protocol version %s", display.Quote(requested)).
		WithData(struct {
			Supported []Version `json:"supported"`
			Requested string    `json:"requested"`
		}{supported, display.Short(requested)})
}

// MissingCapability is the error for a request that needs client capabilities
// which it did not declare.
//
// spec 2026-07-28 schema: data.requiredCapabilities is a ClientCapabilities object.
func MissingCapability(required ClientCapabilities) *jsonrpc.Error {
	return jsonrpc.NewError(CodeMissingCapability, "the request lacks a client capability that is required").
		WithData(struct {
			Required ClientCapabilities `json:"requiredCapabilities"`
		}{required})
}

// ResourceNotFound is the error for an unknown resource, in the inner (modern)
// shape; the legacy engine gives it the older code. Its data has the URI whole, by
// which a client tells what the error is about.
func ResourceNotFound(uri string) *jsonrpc.Error {
	return jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "resource %s not found", display.Quote(uri)).
		WithData(struct {
			URI string `json:"uri"`
		}{uri})
}
