// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package engine is the front desk of the protocol: it reads a message far
// enough to know which era it belongs to and hands it to that era's Protocol.
// Era is a property of each request, never of a listener or a connection. What
// both eras need alike stands here too: the shallow reading of params, the
// translation of errors, the table of calls in flight.
//
// It knows no version by name; engine/legacy and engine/modern do.
package engine
