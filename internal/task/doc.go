// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package task keeps work that outlives the call that began it: what an engine
// does with a result whose Deferred is set. A Set runs such work, tracks its
// state, passes questions to the client by way of the task, and keeps the
// outcome until its time is over.
//
// The state machine is that of the protocol: working ⇄ input_required, then
// once and for all completed, failed or cancelled. The outcome is kept raw; a
// tool result with isError is Completed here, and an engine whose revision calls
// it failed says so itself.
//
// A Set serves both eras, but a task belongs to the era it was created in and to
// the principal that created it: to everybody else it does not exist.
//
// Several nodes may share one Store. A task then runs at its home, the node that
// began it, and nothing of it is shown that the Store has not accepted. Any Set
// answers for any task: from the Store when the task has ended, else by asking
// its home over a stream (peers.go). When a home is lost, the others see to it
// that its tasks fail; a home that was taken for lost stops its work when it
// finds out (lost.go).
//
// The Set owns its goroutines, one per running task, one that sweeps out what
// has expired or is lost, and, with other nodes, those that serve them.
// [Set.Close] stops them and waits.
package task
