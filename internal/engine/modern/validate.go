// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/quota"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// request is a request that has passed validation.
type request struct {
	in        *engine.Inbound
	method    *method
	target    string
	peer      *rpc.Peer
	principal *rpc.Principal
	client    quota.Client // who has the request's share; set by who received it
	progress  Raw
	level     mcp.LogLevel
	responses map[string]Raw // nil when the request has none
	state     string         // "" when the request has none
}

// retry reports whether the request continues an earlier one.
func (r *request) retry() bool { return r.responses != nil || r.state != "" }

// validate checks a request in the order that decides which error a client sees
// when several things are wrong: metadata, version, capabilities, headers,
// method, extension, and then the smaller members. header is nil where the
// transport has no headers.
//
// spec 2026-07-28 basic/transports, basic/versioning.
func (p *Protocol) validate(ctx context.Context, in *engine.Inbound, header func(string) []string) (*request, *jsonrpc.Error) {
	if in.ParamsErr != nil {
		return nil, in.ParamsErr
	}
	if wire := p.checkVersion(in, header); wire != nil {
		return nil, wire
	}
	meta := &in.Fields.Meta
	if meta.Capabilities == nil {
		return nil, missingMeta(mcp.MetaCapabilities)
	}
	peer, wire := p.peers.of(meta.Capabilities, meta.ClientInfo)
	if wire != nil {
		return nil, wire
	}
	req := &request{in: in, method: p.methods[in.Method], peer: peer, principal: rpc.PrincipalFrom(ctx), progress: meta.ProgressToken}
	if req.method != nil {
		req.target = target(in, req.method)
	}
	if header != nil {
		if wire := p.checkHeaders(ctx, req, header); wire != nil {
			return nil, wire
		}
	}
	if wire := req.checkMethod(); wire != nil {
		return nil, wire
	}
	return req, req.readMembers()
}

// target returns what the request addresses: the member that Mcp-Name mirrors,
// so that nothing else in params can stand in for it, or for methods without
// one what the engine takes for it.
func target(in *engine.Inbound, m *method) string {
	if m.nameParam != "" {
		s, _ := jsonrpc.Unquote(member(in, m.nameParam))
		return s
	}
	return in.Target()
}

// member returns a member of params.
func member(in *engine.Inbound, name string) Raw {
	switch name {
	case "name":
		return in.Fields.Name
	case "uri":
		return in.Fields.URI
	case "taskId":
		return in.Fields.TaskID
	}
	raw, _ := jsonrpc.Get(in.Params, name)
	return raw
}

// quotedVersion is the version as nearly every request spells it.
const quotedVersion = `"` + string(version) + `"`

// checkVersion checks that the request says its version, the same everywhere,
// and that this engine speaks it.
func (p *Protocol) checkVersion(in *engine.Inbound, header func(string) []string) *jsonrpc.Error {
	raw := in.Fields.Meta.ProtocolVersion
	asked, ok := string(version), string(raw) == quotedVersion
	if !ok {
		asked, ok = jsonrpc.Unquote(raw)
	}
	if !ok {
		if in.Method == mcp.MethodInitialize && (header == nil || len(header(mcp.HeaderProtocolVersion)) == 0) {
			return p.refuseInitialize(in)
		}
		return missingMeta(mcp.MetaProtocolVersion)
	}
	if header != nil {
		if wire := sameHeader(header, mcp.HeaderProtocolVersion, asked); wire != nil {
			return wire
		}
	}
	if asked != string(version) {
		return mcp.UnsupportedVersion(asked, p.supported)
	}
	return nil
}

// refuseInitialize answers a legacy handshake where only this era is served.
//
// spec 2026-07-28 basic/versioning: such a server should name its versions.
func (p *Protocol) refuseInitialize(in *engine.Inbound) *jsonrpc.Error {
	raw, _ := jsonrpc.Get(in.Params, "protocolVersion")
	asked, _ := jsonrpc.Unquote(raw)
	return mcp.UnsupportedVersion(asked, p.supported)
}

func missingMeta(key string) *jsonrpc.Error {
	return jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "params._meta lacks %q", key)
}

// checkMethod checks that the method exists and that the client has declared
// the extension it belongs to.
func (r *request) checkMethod() *jsonrpc.Error {
	if r.method == nil {
		return jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "method %s does not exist in this protocol version", display.Quote(r.in.Method))
	}
	if e := r.method.extension; e != nil && !r.method.open && !r.peer.Capabilities.Has(e.ID) {
		return mcp.MissingExtension(e.ID)
	}
	return nil
}

// readMembers reads the members of params that ask something of the engine.
func (r *request) readMembers() *jsonrpc.Error {
	meta, fields := &r.in.Fields.Meta, &r.in.Fields
	if meta.LogLevel != nil {
		level, _ := jsonrpc.Unquote(meta.LogLevel)
		if r.level = mcp.LogLevel(level); !r.level.Valid() {
			return jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "_meta[%q] is not a log level", mcp.MetaLogLevel)
		}
	}
	if t := meta.ProgressToken; t != nil {
		if _, err := jsonrpc.ParseID(t); err != nil {
			return jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "_meta[%q] must be a string or an integer", mcp.MetaProgressToken)
		}
	}
	if !r.method.mayAsk {
		return nil // elsewhere the members mean nothing
	}
	if fields.InputResponses != nil {
		responses, wire := readResponses(fields.InputResponses)
		if wire != nil {
			return wire
		}
		r.responses = responses
	}
	if fields.RequestState != nil {
		state, ok := jsonrpc.Unquote(fields.RequestState)
		if !ok || state == "" {
			return errState
		}
		r.state = state
	}
	return nil
}

// readResponses reads inputResponses: an object of objects.
func readResponses(raw Raw) (map[string]Raw, *jsonrpc.Error) {
	responses := map[string]Raw{}
	if raw.Kind() != '{' || json.Unmarshal(raw, &responses) != nil {
		return nil, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "params.inputResponses must be an object")
	}
	for key, response := range responses {
		if response.Kind() != '{' {
			return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "params.inputResponses[%s] must be an object", display.Quote(key))
		}
	}
	return responses, nil
}
