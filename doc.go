// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package holdfast embeds the whole runtime in a program: the gateway that
// cmd/holdfast runs, with servers of a configuration file and servers of the
// program itself behind the same endpoints, for clients of every revision.
//
//	node, err := holdfast.Open(ctx, holdfast.Config{Listen: ":8080", DataDir: "/var/lib/app"})
//	…
//	err = node.Mount("weather", s) // a *server.Server
//	err = node.Run(ctx)
//
// All servers together are served at /mcp, with their names before the names of
// their tools (weather__forecast), and each alone at /servers/NAME/mcp.
//
// A program that only serves tools of its own needs package server and nothing
// else; other servers are called with package client. Servers made with the
// official SDK are mounted by package adapter/gosdk.
//
// A Node owns the goroutines and processes it starts; Close, or the end of Run,
// waits for them. What concerns the whole process it leaves to the program: servers
// of the same user can read the program's memory unless it forbids that (on Linux by
// PR_SET_DUMPABLE), and it is no parent to what a killed keeper leaves.
package holdfast
