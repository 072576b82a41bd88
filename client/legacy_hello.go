// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// initializeParams are the params of the legacy handshake, which propose v.
//
// spec 2025-11-25 basic/lifecycle#initialization.
func (k *core) initializeParams(v mcp.Version) Raw {
	params := jsonrpc.Set(nil, "protocolVersion", jsonrpc.AppendString(nil, string(v)))
	params = jsonrpc.Set(params, "capabilities", k.caps)
	return jsonrpc.Set(params, "clientInfo", k.info)
}

// greet makes the legacy handshake by once: with the version asked, and once more
// with the best of those that a refusal lists.
//
// spec 2025-11-25 basic/lifecycle#error-handling.
func (k *core) greet(asked mcp.Version, once func(params Raw) (Raw, error)) (*hello, error) {
	if asked.Era() != mcp.Legacy {
		asked = mcp.LatestLegacy
	}
	raw, err := once(k.initializeParams(asked))
	if err != nil {
		other, ok := pick(mcp.Legacy, listedVersions(err, asked))
		if !ok || k.listsModern(err) {
			return nil, err
		}
		if raw, err = once(k.initializeParams(other)); err != nil {
			return nil, err
		}
	}
	return parseInitialize(raw)
}

// listsModern reports whether a refusal of initialize lists a modern version that
// may be spoken.
func (k *core) listsModern(err error) bool {
	if k.cfg.era != 0 {
		return false
	}
	_, ok := pick(mcp.Modern, listedVersions(err, ""))
	return ok
}

var revision = regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}\b`)

// listedVersions returns the versions other than asked that a refusal names, be it in
// the data of the error, as the specification has it, in its text, or in the body of
// an HTTP answer.
func listedVersions(err error, asked mcp.Version) []mcp.Version {
	var text []byte
	if e, ok := jsonrpc.AsError(err); ok && e.FromPeer() {
		text = append([]byte(e.Message+"\n"), e.Data...)
	} else if e, ok := errors.AsType[*HTTPError](err); ok {
		text = e.Body
	}
	var versions []mcp.Version
	for _, found := range revision.FindAll(text, -1) {
		if v := mcp.Version(found); v != asked {
			versions = append(versions, v)
		}
	}
	return versions
}

// parseInitialize reads the result of initialize.
func parseInitialize(raw Raw) (*hello, error) {
	var r struct {
		Version      mcp.Version            `json:"protocolVersion"`
		Capabilities mcp.ServerCapabilities `json:"capabilities"`
		ServerInfo   mcp.Implementation     `json:"serverInfo"`
		Instructions string                 `json:"instructions"`
	}
	raw, err := readHello(raw, &r)
	if err != nil {
		return nil, &ProtocolError{What: "unreadable result of " + mcp.MethodInitialize, Err: err}
	}
	if r.Version = mcp.Answered(r.Version); r.Version.Era() != mcp.Legacy {
		return nil, fmt.Errorf("the server answers %s with version %q: %w", mcp.MethodInitialize, r.Version, ErrNoCommonVersion)
	}
	return &hello{
		raw: raw, version: r.Version, capabilities: r.Capabilities, info: r.ServerInfo, instructions: r.Instructions,
	}, nil
}

// cancelledParams are the params of notifications/cancelled.
func cancelledParams(id jsonrpc.ID, cause error) Raw {
	params := jsonrpc.Set(nil, "requestId", id.Raw())
	return jsonrpc.Set(params, "reason", jsonrpc.AppendString(nil, cause.Error()))
}
