// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package session is what a legacy session is made of: the sealed ticket its
// client carries, the small record of what it has changed, and what of it is
// live on this node. A session that changed nothing and runs nothing exists
// only as its ticket and costs no memory.
//
// Three things, kept apart on purpose: a [Ticket] is opened by any node with the
// key ring; a [Record] is in a [Store] that may be replicated; a [Live] is in
// the [Registry] of one node and holds the event [Log] and whatever its engine
// attaches. Where several nodes serve the same sessions, their store is a [Feed],
// and what a client may fetch from another node than the one that made it is in an
// [Archive]. The package knows no protocol version, and no goroutine of it lives
// on: the registry's only timer runs a bounded sweep and is stopped by
// [Registry.Drain].
package session
