// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package modern is the engine of the modern era, revision 2026-07-28: every
// request stands for itself and carries its version, its capabilities and its
// principal. There are no sessions, no server requests and no resumption.
//
// A handler that needs input from the client returns its questions, whose state
// then travels sealed in requestState, or asks and blocks. In the second case
// the call is parked: its goroutine stays here, the client gets the questions
// with the sealed address of the call, and its retry takes the call over. With
// other nodes the address names the call's home: a retry that reaches another
// node is relayed (relay.go), and visits its call at home (visit.go). When the
// home is lost, so is the call, which the client is told.
//
// Goroutines: each call has one, owned by its Protocol and ended by its context;
// so has each relayed retry, at both ends; each subscriptions/listen has one,
// ended by its stream, by cancellation, or by draining. [Protocol.Close] cancels
// all of them and waits. Timers of parked calls belong to the calls.
package modern
