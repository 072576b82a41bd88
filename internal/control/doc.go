// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package control is how commands on the same host ask a running node: HTTP over
// a unix socket in its data directory. Who may ask may do everything: the node's
// own user and root, but none of the node's servers, nor what they have started. A
// command believes only its own user, root and the owner of the directory. Where
// the system does not tell who is at the other end of a socket, the permissions of
// the directory decide alone.
//
// It knows no other package: a node serves it as a [Node], a command is a
// [Client]. A [Server] owns the goroutines that serve; Close ends them and waits.
package control
