// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// modernParams are f's params with the metadata that each modern request
// carries. What else the caller put into _meta stays.
//
// spec 2026-07-28 basic/index#_meta.
func (k *core) modernParams(f *flight, v mcp.Version) Raw {
	o := &f.req.opts
	edits := make([]jsonrpc.Edit, 0, 5)
	edits = append(edits,
		jsonrpc.Edit{Name: mcp.MetaProtocolVersion, Value: jsonrpc.AppendString(nil, string(v))},
		jsonrpc.Edit{Name: mcp.MetaCapabilities, Value: either(o.Capabilities, k.caps)},
		jsonrpc.Edit{Name: mcp.MetaClientInfo, Value: either(o.ClientInfo, k.info)})
	if f.tracked() {
		edits = append(edits, jsonrpc.Edit{Name: mcp.MetaProgressToken, Value: f.id.Raw()})
	}
	level := o.LogLevel
	if level == "" {
		level, _ = k.level.Load().(mcp.LogLevel)
	}
	if f.quiet = level == "" || f.req.listen; !f.quiet {
		edits = append(edits, jsonrpc.Edit{Name: mcp.MetaLogLevel, Value: jsonrpc.AppendString(nil, string(level))})
	}
	const names = 256 // more than the names of all edits take
	size := len(f.meta) + names
	for i := range edits {
		size += len(edits[i].Value)
	}
	meta := jsonrpc.AppendEdited(make([]byte, 0, size), f.meta, edits...)
	params := make([]byte, 0, len(f.req.params)+len(meta)+len(`{"_meta":,}`))
	return jsonrpc.AppendEdited(params, f.req.params, jsonrpc.Edit{Name: "_meta", Value: meta})
}

func either(a, b Raw) Raw {
	if a != nil {
		return a
	}
	return b
}

// parseDiscovery reads the result of server/discover.
//
// spec 2026-07-28 server/discover.
func parseDiscovery(raw Raw) (*hello, []mcp.Version, error) {
	var d struct {
		Supported    []mcp.Version          `json:"supportedVersions"`
		Capabilities mcp.ServerCapabilities `json:"capabilities"`
		Instructions string                 `json:"instructions"`
		ServerInfo   mcp.Implementation     `json:"serverInfo"`
		Meta         struct {
			ServerInfo *mcp.Implementation `json:"io.modelcontextprotocol/serverInfo"`
		} `json:"_meta"`
	}
	raw, err := readHello(raw, &d)
	if err != nil {
		return nil, nil, &ProtocolError{What: "unreadable result of " + mcp.MethodDiscover, Err: err}
	}
	if len(d.Supported) == 0 {
		return nil, nil, &ProtocolError{What: fmt.Sprintf("the result of %s names no version", mcp.MethodDiscover)}
	}
	if d.Meta.ServerInfo != nil {
		d.ServerInfo = *d.Meta.ServerInfo
	}
	return &hello{
		raw: raw, capabilities: d.Capabilities, info: d.ServerInfo, instructions: d.Instructions,
	}, d.Supported, nil
}

// pick returns the newest version of the era that both sides know.
func pick(era mcp.Era, supported []mcp.Version) (mcp.Version, bool) {
	for _, ours := range mcp.VersionsOf(era) {
		for _, theirs := range supported {
			if ours == theirs {
				return ours, true
			}
		}
	}
	return "", false
}
