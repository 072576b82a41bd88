// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/binary"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
)

// Binding is what a token that a client carries is good for: a principal at an
// endpoint, and what else the caller names. An endpoint may be a view that hides
// most of a gateway, so nothing that was sealed at one opens at another.
func Binding(endpoint string, principal *rpc.Principal, more ...string) string {
	b := make([]byte, 0, 128)
	for _, part := range append([]string{endpoint, principal.Tenant, principal.ID}, more...) {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return string(b)
}
