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
// Callers have shares of the tasks that are kept (package share). When these are used
// up, tasks whose outcome their client has make room (delivered.go).
//
// A Set serves both eras, but a task belongs to the era it was created in and to
// the principal that created it: to everybody else it does not exist.
//
// Several nodes may share one Store. A task then runs at its home, the node that
// began it, and nothing of it is shown that the Store has not accepted. Any Set
// answers for any task: from the Store when the task has ended, else by asking
// its home over a stream (reach.go, peers.go). When a home is lost, the others see
// to it that its tasks are restarted or fail; a home that was taken for lost stops
// its work when it finds out (lost.go).
//
// A task is restarted when its tool says that it may be called again: its call is
// kept with it, if it is not too large, and made once more (call.go). It keeps its
// id, its message says what happened, and what it had asked is asked anew under
// other keys. The nodes have an order in which they may try, which spares work; what
// makes the restart one is the Store, which takes the first claim after each loss
// (restart.go, [Task.Follows]). A task is restarted a few times at most, never after
// its end, and also when its node was started again or shut down in order. What a
// restarted task notifies of, such as progress, has no way to the client any more.
//
// The Set owns its goroutines, one per running task, one that sweeps out what
// has expired or is lost, and, with other nodes, those that serve them.
// [Set.Close] stops them and waits.
package task
