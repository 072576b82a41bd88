// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"

	"github.com/holdfast-mcp/holdfast/mcp"
)

// protocol reads what is to be spoken to the server. The transport is settled before.
func (e *entry) protocol() {
	m, ok := e.given["protocol"]
	if !ok {
		return
	}
	n, path := m.value, e.where(m)
	words := []string{"auto", mcp.Legacy.String(), mcp.Modern.String()}
	for _, v := range mcp.Versions() {
		words = append(words, string(v))
	}
	want := fmt.Sprintf("auto, legacy, modern or a version: %s", strings.Join(words[3:], ", "))
	if n.kind != kindString {
		e.wrongKind(path, n, want)
		return
	}
	switch v := mcp.Version(n.text); {
	case n.text == words[0]:
	case n.text == words[1]:
		e.Protocol.Era = mcp.Legacy
	case n.text == words[2]:
		e.Protocol.Era = mcp.Modern
	case v.Known():
		e.Protocol = Protocol{Era: v.Era(), Version: v}
	default:
		e.fail(n.line, path, didYouMean(n.text, words[:3]), "want %s, got %s", want, quote(n.text))
	}
	if e.Protocol.Era == mcp.Modern && e.Transport == SSE {
		e.fail(n.line, path, "write legacy, or type http", "HTTP+SSE has no modern versions")
	}
}
