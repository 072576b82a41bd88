// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command mcpgo serves one echo{text} tool with mark3labs/mcp-go, as a peer
// for the benchmark in the folder above. It is its own module so that
// Holdfast never depends on mcp-go.
//
// Settings, and why:
//   - mcp.NewTool, AddTool and RequireString: the form its README teaches.
//   - WithToolCapabilities(true): as in its README; it is also what lets a
//     listen stream ask for tool list changes.
//   - WithStateful(true): sessions are kept and checked, as a client of
//     2025-11-25 expects (404 after DELETE). Requests at 2026-07-28 take no
//     session either way. One process serves both eras.
//   - A discarding logger: its default is slog.Default(), which would write
//     to stderr.
//   - Input schema validation, event store, heartbeat, hooks: off, as by
//     default.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

func echo(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	text, err := req.RequireString("text")
	if err != nil {
		return mcp.NewToolResultError(err.Error()), nil
	}
	return mcp.NewToolResultText(text), nil
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:8080", "address to listen on")
	flag.Parse()

	s := server.NewMCPServer("mcpgo-echo", "1.0.0", server.WithToolCapabilities(true))
	s.AddTool(mcp.NewTool("echo",
		mcp.WithDescription("Returns the text it is given."),
		mcp.WithString("text", mcp.Required(), mcp.Description("the text to return")),
	), echo)

	mux := http.NewServeMux()
	mux.Handle("/mcp", server.NewStreamableHTTPServer(s,
		server.WithStateful(true),
		server.WithStreamableHTTPLogger(slog.New(slog.DiscardHandler)),
	))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	hs := &http.Server{Addr: *listen, Handler: mux}
	context.AfterFunc(ctx, func() { hs.Close() })
	if err := hs.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mcpgo:", err)
		os.Exit(1)
	}
}
