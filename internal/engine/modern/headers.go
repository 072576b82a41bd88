// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"
	"net/textproto"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// checkHeaders checks that the headers mirror the body. Unknown Mcp-Param
// headers, and Mcp-Name where the method has no name, are ignored.
//
// spec 2026-07-28 basic/transports: a server that reads the body rejects a
// request whose headers are missing, malformed or different, with -32020.
func (p *Protocol) checkHeaders(ctx context.Context, r *request, header func(string) []string) *jsonrpc.Error {
	if wire := sameHeader(header, mcp.HeaderMethod, r.in.Method); wire != nil {
		return wire
	}
	if r.method == nil {
		return nil
	}
	if r.method.nameParam != "" {
		if wire := checkName(r, header); wire != nil {
			return wire
		}
	}
	if r.method.name == mcp.MethodCallTool && p.cfg.ToolHeaders != nil {
		return checkParams(p.cfg.ToolHeaders(ctx, r.target), r.in.Fields.Arguments, header)
	}
	return nil
}

// checkName compares Mcp-Name with what it mirrors. A request that has neither
// is left to its handler, which knows the better error.
func checkName(r *request, header func(string) []string) *jsonrpc.Error {
	inBody := member(r.in, r.method.nameParam).Kind() == '"'
	got, present, wire := single(header, mcp.HeaderName)
	switch {
	case wire != nil:
		return wire
	case !inBody && !present:
		return nil
	case !present:
		return mismatch("header %s is missing", mcp.HeaderName)
	}
	decoded, err := mcp.DecodeHeaderValue(got)
	if err != nil {
		return mismatch("header %s is malformed: %v", mcp.HeaderName, err)
	}
	if !inBody || decoded != r.target {
		return mismatch("header %s differs from params.%s", mcp.HeaderName, r.method.nameParam)
	}
	return nil
}

// checkParams compares the Mcp-Param headers of a tool with its arguments.
func checkParams(params []mcp.HeaderParam, arguments Raw, header func(string) []string) *jsonrpc.Error {
	for _, p := range params {
		value, present, wire := single(header, textproto.CanonicalMIMEHeaderKey(p.Header))
		if wire != nil {
			return wire
		}
		if err := p.Match(value, present, arguments); err != nil {
			return mismatch("%v", err)
		}
	}
	return nil
}

// sameHeader checks a header that must be there and equal want.
func sameHeader(header func(string) []string, name, want string) *jsonrpc.Error {
	got, present, wire := single(header, name)
	switch {
	case wire != nil:
		return wire
	case !present:
		return mismatch("header %s is missing", name)
	case got != want:
		return mismatch("header %s is %s, the body says %s", name, display.Quote(got), display.Quote(want))
	}
	return nil
}

// single returns a header's value without surrounding whitespace. Several
// values that differ are an error: other parsers may see another one.
func single(header func(string) []string, name string) (value string, present bool, wire *jsonrpc.Error) {
	values := header(name)
	if len(values) == 0 {
		return "", false, nil
	}
	value = strings.Trim(values[0], " \t")
	for _, other := range values[1:] {
		if strings.Trim(other, " \t") != value {
			return "", true, mismatch("header %s has several values", name)
		}
	}
	return value, true, nil
}

func mismatch(format string, args ...any) *jsonrpc.Error {
	return jsonrpc.Errorf(mcp.CodeHeaderMismatch, format, args...)
}
