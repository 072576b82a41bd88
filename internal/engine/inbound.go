// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Raw is a JSON value kept as received.
type Raw = jsonrpc.Raw

// Inbound is a received message whose params have been read one level deep.
type Inbound struct {
	jsonrpc.Message
	Fields Fields
	// ParamsErr says why Fields could not be read: params is an array, or _meta
	// is not an object.
	ParamsErr *jsonrpc.Error
	// Hold is the message's part of the transport's budget; it may be nil. Who goes
	// on using the message when the method that was given it has returned keeps it.
	Hold *transport.Hold
}

// Fields are the members of params that engines look at, all raw.
type Fields struct {
	Meta           Meta
	Name           Raw
	URI            Raw
	TaskID         Raw
	Arguments      Raw
	InputResponses Raw
	RequestState   Raw
	Task           Raw
}

// Meta is params._meta: the whole of it and the members engines look at.
type Meta struct {
	Raw             Raw
	ProtocolVersion Raw
	Capabilities    Raw
	ClientInfo      Raw
	LogLevel        Raw
	ProgressToken   Raw
}

// NewInbound reads the params of m, one level deep and without decoding values:
// the message has been validated whole when it was decoded.
func NewInbound(m jsonrpc.Message) *Inbound {
	in := &Inbound{Message: m}
	if m.Params == nil {
		return in
	}
	if m.Params.Kind() != '{' {
		in.ParamsErr = jsonrpc.NewError(jsonrpc.CodeInvalidParams, "params must be an object")
		return in
	}
	for name, value := range jsonrpc.Members(m.Params) {
		in.Fields.set(memberName(name), value)
	}
	in.dropNothing()
	if meta := in.Fields.Meta.Raw; meta != nil {
		if meta.Kind() != '{' {
			in.ParamsErr = jsonrpc.NewError(jsonrpc.CodeInvalidParams, "params._meta must be an object")
			return in
		}
		for name, value := range jsonrpc.Members(meta) {
			in.Fields.Meta.set(memberName(name), value)
		}
	}
	return in
}

// dropNothing takes out of the params what stands for nothing in the place of an
// object: null, and for arguments [], which PHP and Lua make of an empty one.
func (in *Inbound) dropNothing() {
	f := &in.Fields
	if f.Meta.Raw != nil && f.Meta.Raw.Kind() == 'n' {
		in.Params, f.Meta.Raw = jsonrpc.Delete(in.Params, "_meta"), nil
	}
	if f.Arguments == nil || f.Arguments[0] == '{' || in.Method != mcp.MethodCallTool && in.Method != mcp.MethodGetPrompt {
		return
	}
	list := f.Arguments[0] == '['
	if f.Arguments.Kind() == 'n' || list && len(bytes.TrimSpace(f.Arguments[1:len(f.Arguments)-1])) == 0 {
		in.Params, f.Arguments = jsonrpc.Delete(in.Params, "arguments"), nil
	}
}

func (f *Fields) set(name []byte, value Raw) {
	switch string(name) {
	case "_meta":
		f.Meta.Raw = value
	case "name":
		f.Name = value
	case "uri":
		f.URI = value
	case "taskId":
		f.TaskID = value
	case "arguments":
		f.Arguments = value
	case "inputResponses":
		f.InputResponses = value
	case "requestState":
		f.RequestState = value
	case "task":
		f.Task = value
	}
}

func (m *Meta) set(name []byte, value Raw) {
	switch string(name) {
	case mcp.MetaProtocolVersion:
		m.ProtocolVersion = value
	case mcp.MetaCapabilities:
		m.Capabilities = value
	case mcp.MetaClientInfo:
		m.ClientInfo = value
	case mcp.MetaLogLevel:
		m.LogLevel = value
	case mcp.MetaProgressToken:
		m.ProgressToken = value
	}
}

// memberName returns a member's name without quotes. An escaped spelling is the
// same name and must not slip past.
func memberName(quoted Raw) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	name, _ := jsonrpc.Unquote(quoted)
	return []byte(name)
}

// Era returns the era the message declares by its own metadata, or 0 when it
// declares none.
//
// spec 2026-07-28 basic/versioning: a request carrying the per-request protocol
// version is served statelessly.
func (in *Inbound) Era() mcp.Era {
	if in.Fields.Meta.ProtocolVersion != nil {
		return mcp.Modern
	}
	return 0
}

// Text decodes a raw string; ok is false when v is absent or not a string.
func Text(v Raw) (string, bool) {
	if len(v) < 2 || v[0] != '"' {
		return "", false
	}
	return jsonrpc.Unquote(v)
}

// Target returns what the request addresses: the name, URI or task id of its
// params, "" when it has none. Of a method that is known to address one of these
// no other member counts, so that who looks at Target and who reads the params
// see the same.
func (in *Inbound) Target() string {
	candidates := []Raw{in.Fields.Name, in.Fields.URI, in.Fields.TaskID}
	switch in.Method {
	case mcp.MethodCallTool, mcp.MethodGetPrompt:
		candidates = candidates[:1]
	case mcp.MethodReadResource, mcp.MethodSubscribe, mcp.MethodUnsubscribe, mcp.MethodGetSkill, mcp.MethodReadDirectory:
		candidates = candidates[1:2]
	case mcp.MethodGetTask, mcp.MethodUpdateTask, mcp.MethodTaskResult, mcp.MethodCancelTask:
		candidates = candidates[2:]
	}
	for _, v := range candidates {
		if s, ok := Text(v); ok {
			return s
		}
	}
	return ""
}
