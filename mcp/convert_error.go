// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import (
	"strconv"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// DownError returns e as a client that speaks f may see it in answer to method.
// A code that the version does not define becomes the nearest it does; the
// message, and whether a peer said it, stay.
func DownError(f *Features, method string, e *jsonrpc.Error) *jsonrpc.Error {
	switch {
	case e == nil:
		return nil
	case f.Era == Legacy:
		return downErrorLegacy(f, method, e)
	case e.Code == CodeResourceNotFound && method == MethodReadResource:
		return e.Recode(jsonrpc.CodeInvalidParams, e.Data)
	case e.Code == CodeResourceNotFound: // MUST NOT be emitted
		return internalError(e)
	case isReserved(e.Code) && !isModernCode(e.Code):
		return internalError(e)
	}
	return e
}

func downErrorLegacy(f *Features, method string, e *jsonrpc.Error) *jsonrpc.Error {
	switch {
	case e.Code == jsonrpc.CodeInvalidParams && method == MethodReadResource && hasURI(e):
		return e.Recode(CodeResourceNotFound, e.Data)
	case e.Code == CodeMissingCapability: // the client can do something about it
		return e.Recode(jsonrpc.CodeInvalidParams, e.Data)
	case e.Code == CodeURLElicitationRequired && f.ElicitationURL:
		return e
	case isReserved(e.Code):
		return internalError(e)
	}
	return e
}

// UpError returns the error that a server which speaks f gave to method, in the
// inner shape: unknown resources are -32602, and what only concerns this hop or
// is not defined is an internal error. A URL elicitation of 2025-11-25 stays.
func UpError(f *Features, method string, e *jsonrpc.Error) *jsonrpc.Error {
	switch {
	case e == nil:
		return nil
	case e.Code == CodeResourceNotFound && method == MethodReadResource:
		return e.Recode(jsonrpc.CodeInvalidParams, e.Data)
	case e.Code == CodeMissingCapability && f.Era == Modern:
		return e
	case e.Code == jsonrpc.CodeInvalidParams && f.Era == Legacy && isMissingCapability(e):
		return e.Recode(CodeMissingCapability, e.Data) // as [DownError] had to write it
	case e.Code == CodeURLElicitationRequired && f.Era == Legacy && f.ElicitationURL:
		return e
	case isReserved(e.Code):
		return internalError(e)
	}
	return e
}

// WithURI returns e with data.uri set when e refuses the params of a read and
// its data says nothing, as older servers' errors for unknown resources do. It
// is for results of [UpError] where the code was -32002.
func WithURI(e *jsonrpc.Error, uri string) *jsonrpc.Error {
	if hasURI(e) || len(e.Data) > 0 && e.Data.Kind() != '{' {
		return e
	}
	return e.Recode(e.Code, jsonrpc.Set(e.Data, "uri", jsonrpc.AppendString(nil, uri)))
}

func hasURI(e *jsonrpc.Error) bool {
	uri, ok := jsonrpc.Get(e.Data, "uri")
	return ok && uri.Kind() == '"'
}

func isMissingCapability(e *jsonrpc.Error) bool {
	required, ok := jsonrpc.Get(e.Data, "requiredCapabilities")
	return ok && required.Kind() == '{'
}

// isReserved reports whether only the specification may define code.
//
// spec 2026-07-28 basic: codes from -32020 to -32099 are reserved.
func isReserved(code int64) bool { return -32099 <= code && code <= -32020 }

func isModernCode(code int64) bool {
	return code == CodeHeaderMismatch || code == CodeMissingCapability || code == CodeUnsupportedVersion
}

// internalError keeps the original code and data inside the data.
func internalError(e *jsonrpc.Error) *jsonrpc.Error {
	data := strconv.AppendInt(Raw(`{"code":`), e.Code, 10)
	if e.Data != nil {
		data = append(append(data, `,"data":`...), e.Data...)
	}
	return e.Recode(jsonrpc.CodeInternal, append(data, '}'))
}
