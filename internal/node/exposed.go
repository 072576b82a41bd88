// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"log/slog"
	"net"
)

// WarnIfExposed says loudly that an address can be reached from other machines:
// as long as nobody has to say who they are, that is all it takes to call every tool.
func WarnIfExposed(addr net.Addr, log *slog.Logger) {
	at, ok := addr.(*net.TCPAddr)
	if !ok || at.IP.IsLoopback() {
		return
	}
	log.Warn("OTHER MACHINES CAN REACH THIS ADDRESS, AND THERE IS NO AUTHENTICATION: whoever reaches it can call every tool of every server. "+
		"Listen on 127.0.0.1, or let only those through who may", "address", addr.String())
}
