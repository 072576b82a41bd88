// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package websocket carries messages over WebSocket connections (RFC 6455), one
// message or batch per text message, sub-protocol "mcp". A [Handler] accepts
// connections, [Dial] opens them. The protocol's specification leaves room for
// such transports but defines none; what the frames carry is what stdio carries,
// and every protocol decision is the engine's.
//
// A connection owns one goroutine, which pings; it ends with the connection,
// and Close waits for it. An accepted connection is served on the goroutine that
// net/http runs its handler on. The HTTP server forgets that goroutine at the
// upgrade, and its Shutdown neither ends nor awaits it; that is what
// [Handler.Drain] and [Handler.Close] are for. NewHandler starts nothing.
//
// spec 2025-11-25 basic/transports#custom-transports.
package websocket

// subprotocol is what both sides agree to in the handshake.
const subprotocol = "mcp"
