// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
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
}

// Fields are the members of params that engines look at, all raw.
type Fields struct {
	Meta           Meta `json:"_meta"`
	Name           Raw  `json:"name"`
	URI            Raw  `json:"uri"`
	TaskID         Raw  `json:"taskId"`
	Arguments      Raw  `json:"arguments"`
	InputResponses Raw  `json:"inputResponses"`
	RequestState   Raw  `json:"requestState"`
	Task           Raw  `json:"task"`
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

// UnmarshalJSON keeps the bytes and picks the known members.
func (m *Meta) UnmarshalJSON(data []byte) error {
	var members struct {
		ProtocolVersion Raw `json:"io.modelcontextprotocol/protocolVersion"`
		Capabilities    Raw `json:"io.modelcontextprotocol/clientCapabilities"`
		ClientInfo      Raw `json:"io.modelcontextprotocol/clientInfo"`
		LogLevel        Raw `json:"io.modelcontextprotocol/logLevel"`
		ProgressToken   Raw `json:"progressToken"`
	}
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	*m = Meta{
		Raw: append(Raw(nil), data...), ProtocolVersion: members.ProtocolVersion, Capabilities: members.Capabilities,
		ClientInfo: members.ClientInfo, LogLevel: members.LogLevel, ProgressToken: members.ProgressToken,
	}
	return nil
}

// NewInbound reads the params of m, a member of a batch.
func NewInbound(m jsonrpc.Message) *Inbound { return newInbound(m) }

// newInbound reads the params of m.
func newInbound(m jsonrpc.Message) *Inbound {
	in := &Inbound{Message: m}
	if m.Params == nil {
		return in
	}
	if m.Params.Kind() != '{' {
		in.ParamsErr = jsonrpc.NewError(jsonrpc.CodeInvalidParams, "params must be an object")
		return in
	}
	if err := json.Unmarshal(m.Params, &in.Fields); err != nil {
		in.ParamsErr = jsonrpc.NewError(jsonrpc.CodeInvalidParams, "params._meta must be an object")
	}
	return in
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
func Text(v Raw) (s string, ok bool) {
	if len(v) < 2 || v[0] != '"' {
		return "", false
	}
	if err := json.Unmarshal(v, &s); err != nil {
		return "", false
	}
	return s, true
}

// Target returns what the request addresses: the name, URI or task id of its
// params, "" when it has none.
func (in *Inbound) Target() string {
	for _, v := range []Raw{in.Fields.Name, in.Fields.URI, in.Fields.TaskID} {
		if s, ok := Text(v); ok {
			return s
		}
	}
	return ""
}
