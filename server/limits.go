// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/httpserver"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Limits bound what clients may ask and hold. Zero fields take the defaults named.
type Limits struct {
	// MaxBody is the bytes of one message or batch; default 4 MiB.
	MaxBody int64
	// MessageMemory is the bytes of all messages that are received or served at
	// once; over it, HTTP clients are told to come again. Default 64 MiB, or four
	// times MaxBody if that is more; at least twice MaxBody.
	MessageMemory int64
	// Calls is how many are in flight at once; default 65,536.
	Calls int
	// Connections is how many [Server.Serve] and [Server.ListenAndServe] hold open.
	// When there is no room for one more, those that wait for a request give way.
	// Default, and most: as many as there are file descriptors for, 256 kept free.
	Connections int
	// Share is how much of these one client may have, in percent; default 75. A
	// client is an address: behind a proxy all are one, and 100 leaves it to the
	// proxy to tell them apart.
	Share int
}

// Limit sets bounds other than the defaults.
func Limit(limits Limits) Option { return serverOption(func(s *Server) { s.limits = limits }) }

// keptFree is how many file descriptors are for the program's own purposes.
const keptFree = 256

func (l Limits) withDefaults() Limits {
	l.MaxBody = cmp.Or(max(l.MaxBody, 0), 4<<20)
	if l.MessageMemory = max(l.MessageMemory, 0); l.MessageMemory == 0 {
		l.MessageMemory = max(64<<20, 4*l.MaxBody)
	}
	l.MessageMemory = max(l.MessageMemory, 2*l.MaxBody)
	l.Share = min(cmp.Or(max(l.Share, 0), engine.DefaultShare), 100)
	return l
}

// budgets returns what the transports of a server share: of messages received or
// served, and of answers that wait to be read, which have the usual bound.
func (l Limits) budgets() (messages, unread *transport.Budget) {
	return transport.NewBudget(l.MessageMemory, l.Share), transport.NewBudget(64<<20, l.Share)
}

// conns returns how many connections may be open.
func (l Limits) conns() int {
	conns, _ := httpserver.Fit(max(l.Connections, 0), keptFree)
	return conns
}
