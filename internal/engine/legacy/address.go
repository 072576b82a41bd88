// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// An address names the process that something lives in, inside ids that clients
// carry: a digest of its node's name and one of the process, so that what a
// restarted node no longer has is known from what it never had.

const (
	nodeBytes     = 6
	instanceBytes = 6
	addressBytes  = nodeBytes + instanceBytes
	maxRequestID  = 24 // encoded, inside the id of a stream
)

func addressOf(node, instance string) string {
	return digest(node, nodeBytes) + digest(instance, instanceBytes)
}

func digest(name string, n int) string {
	sum := sha256.Sum256([]byte(name))
	return base32.StdEncoding.EncodeToString(sum[:])[:n]
}

// addressIn returns the address at the end of an id, or "".
func addressIn(id string) string {
	i := strings.LastIndexByte(id, '@')
	if i < 0 || len(id)-i-1 != addressBytes {
		return ""
	}
	return id[i+1:]
}

// label is what the id of a call's stream ends with: the call's id, if that is
// short, and the address. Who finds the call lost can answer it.
func label(request jsonrpc.ID, address string) string {
	if !request.IsZero() {
		if text := base64.RawStdEncoding.EncodeToString(request.Raw()); len(text) <= maxRequestID {
			return "." + text + "@" + address
		}
	}
	return "@" + address
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
