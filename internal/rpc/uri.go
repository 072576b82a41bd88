// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"github.com/holdfast-mcp/holdfast/internal/uritemplate"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// MaxURI is the length in bytes of a URI that is looked up, watched or passed on.
const MaxURI = uritemplate.MaxURI

// CheckURI returns the error for a URI that is too long to be looked at, else nil.
func CheckURI(uri string) *jsonrpc.Error {
	if len(uri) <= MaxURI {
		return nil
	}
	return jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "the URI has %d bytes, more than the limit of %d", len(uri), MaxURI)
}
