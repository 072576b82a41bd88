// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package client is an MCP client for every revision of the protocol. It finds
// out by itself which era a server speaks, over Streamable HTTP, HTTP+SSE, a
// child process, in memory or any stream of messages, and offers the same calls for
// all of them.
//
// It has two layers. [Client.Call] sends params and returns the result as the
// bytes that came: what a gateway needs. The typed methods (ListTools, CallTool,
// ReadResource, …) sit on top of it. Questions of the server to the client
// (elicitation, sampling, roots) reach the same handlers in both eras, be they
// requests of a legacy server or the input requests of a modern result.
//
// Arguments and results are Go types by the rules of package server: AddTool there
// has them.
//
// It is not a process supervisor and not an OAuth client: credentials are
// headers or the business of the [http.RoundTripper] it is given.
//
// Goroutines: a Client owns all it starts. They end with [Client.Close], which
// waits for them. Handlers are called from them or from the goroutine of the
// call they belong to, never under a lock.
package client
