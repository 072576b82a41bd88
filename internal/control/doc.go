// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package control is how commands on the same host ask a running node: HTTP over
// a unix socket in its data directory. Who may open the socket may do everything;
// the permissions of the directory decide who that is.
//
// It knows no other package: a node serves it as a [Node], a command is a
// [Client]. A [Server] owns the goroutines that serve; Close ends them and waits.
package control
