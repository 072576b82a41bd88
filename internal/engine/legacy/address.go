// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"encoding/base64"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Ids of streams and questions end with the digest of the process that they live in,
// which is called their address here: clients carry them, and some bound their length.

const maxRequestID = 24 // encoded, inside the id of a stream

// addressIn returns the address at the end of an id, or "".
func addressIn(id string) nodes.Digest {
	i := strings.LastIndexByte(id, '@')
	if i < 0 || len(id)-i-1 != nodes.DigestBytes {
		return ""
	}
	return nodes.Digest(id[i+1:])
}

// label is what the id of a call's stream ends with: the call's id, if that is
// short, and the address. Who finds the call lost can answer it.
func label(request jsonrpc.ID, address nodes.Digest) string {
	if !request.IsZero() {
		if text := base64.RawStdEncoding.EncodeToString(request.Raw()); len(text) <= maxRequestID {
			return "." + text + "@" + string(address)
		}
	}
	return "@" + string(address)
}

// openLog begins a logged stream of a session.
func (g *peering) openLog(l *session.Live, kind byte, request jsonrpc.ID) *session.Stream {
	if g == nil {
		return l.Log.Open(kind)
	}
	return l.Log.OpenLabeled(kind, label(request, g.address))
}

// requestIn returns the request's id out of a stream's id; zero for none.
func requestIn(stream string) jsonrpc.ID {
	stream, _, _ = strings.Cut(stream, "@")
	_, text, _ := strings.Cut(stream, ".")
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(raw) == 0 {
		return jsonrpc.ID{}
	}
	id, err := jsonrpc.ParseID(raw)
	if err != nil {
		return jsonrpc.ID{}
	}
	return id
}
