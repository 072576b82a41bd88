// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package server is the SDK for MCP servers: tools, resources and prompts as Go
// functions, served to clients of every revision from one endpoint.
//
//	s := server.New("weather", "1.0.0")
//	server.AddTool(s, "forecast", "Weather forecast for a city", forecast, server.ReadOnly())
//	err := s.ListenAndServe(ctx, "127.0.0.1:8080") // or s.ServeStdio(ctx)
//
// A handler is written once, in the terms of the newest revision. What an older
// client lacks is converted on the way or answered with an error that says so;
// the handler asks [Request.Client] only when it wants to behave differently.
//
// Arguments and results of tools are Go types; [AddTool] says how they look in
// JSON and what struct tags add. The rules are those of encoding/json/v2.
//
// A handler sees its caller by [Request.Client], [Request.Principal],
// [Request.SessionID], [Request.Header] and [Request.RemoteAddr]. Credentials are
// checked by a handler around the server's, see [WrapHTTP]; [VisibleTools] gives
// callers different tools. [Limit], [TLS], [KeepAlive] and [Drain] say how the server
// serves; beyond loopback it needs [AllowHosts], or every request is answered 403.
//
// Everything may be added, replaced and removed while the server runs; clients
// that listen are told. Mistakes in a registration are a programmer's and
// panic; the Try variants return them.
//
// Handlers run on goroutines of the transport that carries the call. The
// package itself starts goroutines only in [Server.ListenAndServe] and
// [Server.ServeConn], which wait for them before they return.
package server
