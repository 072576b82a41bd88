// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import "github.com/holdfast-mcp/holdfast/jsonrpc"

// MissingFor returns the -32021 error for asking the client method with params,
// and true, when the client did not declare what that needs: the method's
// capability, and the mode or the member of it that the params use.
//
// spec 2026-07-28 basic/patterns/mrtr: servers must not ask for what this
// request's clientCapabilities do not hold.
func (c *ClientCapabilities) MissingFor(method string, params Raw) (*jsonrpc.Error, bool) {
	if !c.CanAsk(method) {
		return MissingCapability(Required(method)), true
	}
	switch method {
	case MethodElicit:
		return c.missingMode(params)
	case MethodCreateMessage:
		return c.missingSampling(params)
	}
	return nil, false
}

func (c *ClientCapabilities) missingMode(params Raw) (*jsonrpc.Error, bool) {
	mode, _ := jsonrpc.Get(params, "mode")
	name, _ := jsonrpc.Unquote(mode)
	switch {
	case name == "url" && !c.Elicitation.URLs():
		return MissingCapability(ClientCapabilities{Elicitation: &ElicitationCapability{URL: Raw("{}")}}), true
	case name != "url" && !c.Elicitation.Forms():
		return MissingCapability(ClientCapabilities{Elicitation: &ElicitationCapability{Form: Raw("{}")}}), true
	}
	return nil, false
}

func (c *ClientCapabilities) missingSampling(params Raw) (*jsonrpc.Error, bool) {
	_, tools := jsonrpc.Get(params, "tools")
	_, choice := jsonrpc.Get(params, "toolChoice")
	if (tools || choice) && c.Sampling.Tools == nil {
		return MissingCapability(ClientCapabilities{Sampling: &SamplingCapability{Tools: Raw("{}")}}), true
	}
	include, _ := jsonrpc.Get(params, "includeContext")
	if scope, ok := jsonrpc.Unquote(include); ok && scope != "none" && c.Sampling.Context == nil {
		return MissingCapability(ClientCapabilities{Sampling: &SamplingCapability{Context: Raw("{}")}}), true
	}
	return nil, false
}
