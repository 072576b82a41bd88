// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// hello is the params of initialize.
type hello struct {
	ProtocolVersion *string            `json:"protocolVersion"`
	Capabilities    Raw                `json:"capabilities"`
	ClientInfo      mcp.Implementation `json:"clientInfo"`
}

// welcome is its result, in the newest legacy revision's shape.
type welcome struct {
	ProtocolVersion mcp.Version            `json:"protocolVersion"`
	Capabilities    mcp.ServerCapabilities `json:"capabilities"`
	ServerInfo      mcp.Implementation     `json:"serverInfo"`
	Instructions    string                 `json:"instructions,omitzero"`
}

// newPeer reads an initialize request.
//
// spec 2025-11-25 basic/lifecycle#initialization.
func (p *Protocol) newPeer(in *engine.Inbound, id session.ID) (*rpc.Peer, *jsonrpc.Error) {
	if in.ParamsErr != nil {
		return nil, in.ParamsErr
	}
	var h hello
	if err := json.Unmarshal(in.Params, &h); err != nil || h.ProtocolVersion == nil {
		return nil, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "initialize needs a protocolVersion, capabilities and clientInfo of the right types")
	}
	peer := &rpc.Peer{
		Features: mcp.Negotiate(mcp.Version(*h.ProtocolVersion)).Features(), Client: h.ClientInfo, Session: id.String(),
		RawCapabilities: Raw("{}"),
	}
	if h.Capabilities == nil {
		return peer, nil
	}
	if len(h.Capabilities) > p.cfg.Limits.Capabilities {
		return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "capabilities are over the limit of %d bytes", p.cfg.Limits.Capabilities)
	}
	if err := json.Unmarshal(h.Capabilities, &peer.Capabilities); err != nil || h.Capabilities.Kind() != '{' {
		return nil, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "capabilities are not of the right types")
	}
	peer.RawCapabilities = append(Raw(nil), h.Capabilities...)
	return peer, nil
}

// welcome answers a peer with what the handler offers.
func (p *Protocol) welcome(ctx context.Context, peer *rpc.Peer, principal *rpc.Principal) (Raw, *jsonrpc.Error) {
	d, wire := p.discover(ctx, peer, principal)
	if wire != nil {
		return nil, wire
	}
	f := peer.Features
	w := welcome{ProtocolVersion: f.Version, Capabilities: d.Capabilities, ServerInfo: d.ServerInfo, Instructions: d.Instructions}
	if w.ServerInfo.Name == "" {
		w.ServerInfo = p.cfg.Info
	}
	if !f.Completions {
		w.Capabilities.Completions = nil
	}
	switch {
	case w.Capabilities.Tasks == nil:
	case !f.LegacyTasks || p.cfg.Tasks == nil:
		w.Capabilities.Tasks = nil
	default:
		w.Capabilities.Tasks = Raw(`{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}`)
	}
	body, err := json.Marshal(w)
	if err == nil {
		body, err = mcp.DownResult(f, mcp.MethodInitialize, body)
	}
	if err != nil {
		return nil, engine.WireError(p.cfg.Log, &rpc.Call{Method: mcp.MethodInitialize}, fmt.Errorf("encode initialize result: %w", err))
	}
	return body, nil
}

// readDiscovery decodes the handler's answer to server/discover.
func (p *Protocol) readDiscovery(call *rpc.Call, res rpc.Result) (*mcp.Discovery, *jsonrpc.Error) {
	var d mcp.Discovery
	if err := json.Unmarshal(res.Body, &d); err != nil {
		return nil, engine.WireError(p.cfg.Log, call, fmt.Errorf("read the handler's discovery: %w", err))
	}
	return &d, nil
}

// initialize answers an initialize that came as a POST: it mints a session.
func (p *Protocol) initialize(x transport.Exchange, in *engine.Inbound) {
	id, principal := session.NewID(), rpc.PrincipalFrom(x.Context())
	peer, wire := p.newPeer(in, id)
	if wire != nil {
		engine.ReplyError(x, 200, in.ID, wire)
		return
	}
	if wire := p.cfg.Shares.EnterSession(x.Context(), transport.HoldOf(x), engine.ClientOf(x, principal), len(peer.RawCapabilities)); wire != nil {
		unavailable(x, in.ID, wire.Message)
		return
	}
	token, wire := p.mint(id, peer, principal)
	if wire != nil {
		engine.ReplyError(x, 200, in.ID, wire)
		return
	}
	body, wire := p.welcome(x.Context(), peer, principal)
	if wire != nil {
		engine.ReplyError(x, 200, in.ID, mcp.DownError(peer.Features, in.Method, wire))
		return
	}
	x.Reply(200, jsonrpc.AppendResult(nil, in.ID, body), mcp.HeaderSessionID, token)
}

// mint returns the ticket of a new session. Nothing is stored anywhere: whoever only
// says hello costs no memory.
func (p *Protocol) mint(id session.ID, peer *rpc.Peer, principal *rpc.Principal) (string, *jsonrpc.Error) {
	now := time.Now().Truncate(time.Second)
	t := session.Ticket{
		ID: id, Issued: now, Expires: now.Add(p.cfg.Limits.Ticket), Version: peer.Features.Version,
		ClientName: peer.Client.Name, ClientVersion: peer.Client.Version,
	}
	if err := t.Declare(peer.RawCapabilities); err != nil {
		return "", jsonrpc.NewError(jsonrpc.CodeInvalidParams, err.Error())
	}
	return t.Seal(p.cfg.Ring, engine.Binding(p.cfg.Endpoint, principal)), nil
}

// unavailable answers a request that cannot be served now but could be later.
func unavailable(x transport.Exchange, id jsonrpc.ID, why string) {
	x.Reply(503, jsonrpc.AppendError(nil, id, jsonrpc.NewError(jsonrpc.CodeInternal, why)),
		"Cache-Control", "no-store", "Retry-After", "1")
}
