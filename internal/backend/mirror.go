// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// passed are the extensions that a caller's declaration and a server's offer of
// them pass through: their messages hold nothing that must be rewritten here.
// Tasks are not among them, as they are translated.
var passed = []string{mcp.ExtensionSkills, mcp.ExtensionUI}

// emptyObject is a JSON object without members.
var emptyObject = Raw("{}")

// mirrored is what a modern server is told about what the caller can do: what
// the caller declared, as far as the policy lets it through, and tasks when
// these are welcome here. Capabilities this package does not know are not passed.
//
// spec 2026-07-28 basic/index#_meta: clientCapabilities belong to each request.
func mirrored(call *rpc.Call, policy capset, tasks bool) Raw {
	caps := declared(&call.Peer.Capabilities) & policy
	if len(call.Peer.Capabilities.Extensions) == 0 && !tasks {
		return plainCaps[caps]
	}
	var extensions Raw
	if tasks {
		extensions = jsonrpc.Set(extensions, mcp.ExtensionTasks, emptyObject)
	}
	for _, id := range passed {
		if settings, ok := call.Peer.Capabilities.Extensions[id]; ok {
			extensions = jsonrpc.Set(extensions, id, settings)
		}
	}
	if extensions == nil {
		return plainCaps[caps]
	}
	return jsonrpc.Set(plainCaps[caps], "extensions", extensions)
}

// plainCaps are the objects for every set, as most calls need one of a few.
var plainCaps = func() (all [capRoots << 1]Raw) {
	for c := range all {
		all[c] = capset(c).json()
	}
	return all
}()

// clientInfo is who the caller said it is, nil when it did not say.
func clientInfo(call *rpc.Call) Raw {
	if info, ok := jsonrpc.Get(call.Meta, mcp.MetaClientInfo); ok {
		return info
	}
	c := &call.Peer.Client
	if c.Name == "" {
		return nil
	}
	info := jsonrpc.AppendString(Raw(`{"name":`), c.Name)
	info = jsonrpc.AppendString(append(info, `,"version":`...), c.Version)
	return append(info, '}')
}

// discover answers with what the handshake told, as far as it can be kept: of
// the extensions those that pass, and tasks in the shape of both eras.
func (l *link) discover() (rpc.Result, error) {
	c := l.client.ServerCapabilities()
	offered := c.Extensions
	c.Extensions, c.Tasks = map[string]Raw{}, nil
	for _, id := range passed {
		if settings, ok := offered[id]; ok {
			c.Extensions[id] = settings
		} else {
			c.Extensions[id] = Raw("null") // not offered, whatever the endpoint could serve
		}
	}
	if l.offersTasks() {
		c.Tasks = Raw(`{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}`)
		c.Extensions[mcp.ExtensionTasks] = emptyObject
	} else {
		c.Extensions[mcp.ExtensionTasks] = Raw("null")
	}
	body, err := json.Marshal(mcp.Discovery{
		Capabilities: c,
		ServerInfo:   l.client.ServerInfo(),
		Instructions: l.client.Instructions(),
	}, json.Deterministic(true))
	return rpc.Result{Body: body}, err
}

// offer adds to the server's discovery which of the extensions that pass it has.
func (l *Local) offer(discovery Raw) Raw {
	capabilities, _ := jsonrpc.Get(discovery, "capabilities")
	extensions, _ := jsonrpc.Get(capabilities, "extensions")
	for _, id := range passed {
		settings := Raw("null")
		for _, e := range l.parts.Extensions {
			switch {
			case e.ID == id && e.Settings != nil:
				settings = e.Settings
			case e.ID == id:
				settings = emptyObject
			}
		}
		extensions = jsonrpc.Set(extensions, id, settings)
	}
	return jsonrpc.Set(discovery, "capabilities", jsonrpc.Set(capabilities, "extensions", extensions))
}

// wantLevel makes a legacy server log what the caller wants to hear. A session
// may have many callers, so the level only ever becomes more verbose; each
// caller is sent what it asked for.
//
// spec 2025-11-25 server/utilities/logging: the level is the session's.
func (l *link) wantLevel(ctx context.Context, level mcp.LogLevel) error {
	if level == "" || l.era() != mcp.Legacy || l.client.ServerCapabilities().Logging == nil {
		return nil
	}
	if at, _ := l.memo.level.Load().(mcp.LogLevel); at.Allows(level) {
		return nil
	}
	if err := l.client.SetLogLevel(ctx, level); err != nil {
		if wire, ok := jsonrpc.AsError(err); !ok || !wire.FromPeer() {
			return err
		}
		// It offers logging and refuses levels: it then says what it says.
	}
	l.memo.level.Store(level)
	return nil
}
