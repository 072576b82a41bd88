// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package legacy speaks the revisions that open with an initialize handshake,
// 2024-11-05 to 2025-11-25, over requests (Streamable HTTP) and over message
// streams (stdio, HTTP+SSE, pipes).
//
// Over HTTP a session is a sealed ticket and, once it has changed something, a
// record; a request opens the ticket and needs nothing else. Each call runs on a
// goroutine of its own while the exchange waits: answered in time it is plain
// JSON, and once a notification or a question must go first the exchange
// becomes an event stream that may outlive the connection. A client that goes
// away does not cancel its calls; what they say meanwhile waits in the event
// log. Over a message stream the connection is the session.
//
// Several nodes may serve one session at the same time ([Peers]). What a live
// thing owns stays where it is: ids of questions and of streams carry the address
// of their home, so that an answer or a Last-Event-ID that arrives elsewhere is
// brought there; cancellations are shown to all nodes. Changes of the record reach
// live streams by the store's feed, and before the client is answered if all
// nodes are well. A session has one GET stream, which moves. Events that the
// client of a call's stream has not fetched are copied to a common archive; a
// call that is lost with its node gets one error, which is written there before
// anybody hears of it. Calls in flight are limited, and their ids held apart, on
// each node by itself. Connections do not move; what reaches theirs by way of
// another node is the transport's affair.
//
// Handlers never notice the era: they see calls in the newest revision's shape,
// and what they return or ask is converted for the session's revision by
// package mcp.
//
// Goroutines: one per call, one per open GET stream, and one per connection for
// its subscriptions. The Protocol owns those of HTTP, [Protocol.Drain] ends and
// awaits them; a Link owns those of its connection, its Close does the same. With
// peers there are a few more, see peering, which the Protocol owns too.
package legacy
