// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command gosdk serves one echo{text} tool with the official Go SDK, as a
// peer for the benchmark in the folder above. It is its own module so that
// Holdfast never depends on the SDK.
//
// Settings, and why:
//   - mcp.AddTool with a typed input: the form the SDK's README and
//     docs/server.md teach.
//   - One mcp.Server shared by all requests: getServer may return the same
//     server, and building one per request would only add cost.
//   - No Logger, no EventStore, no middleware: all off by default.
//   - -stateless chooses the handler's mode. docs/protocol.md: requests at
//     2026-07-28 are served only with Stateless true, and sessions exist only
//     with Stateless false, so each era needs its own process.
//   - -json sets JSONResponse. The SDK's default is to answer every call as
//     an event stream; the benchmark shows both.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type echoInput struct {
	Text string `json:"text" jsonschema:"the text to return"`
}

func echo(_ context.Context, _ *mcp.CallToolRequest, in echoInput) (*mcp.CallToolResult, any, error) {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: in.Text}}}, nil, nil
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:8080", "address to listen on")
	stateless := flag.Bool("stateless", false, "serve without sessions (needed for 2026-07-28)")
	asJSON := flag.Bool("json", false, "answer calls as application/json instead of an event stream")
	flag.Parse()

	server := mcp.NewServer(&mcp.Implementation{Name: "gosdk-echo", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "echo", Description: "Returns the text it is given."}, echo)

	mux := http.NewServeMux()
	mux.Handle("/mcp", mcp.NewStreamableHTTPHandler(
		func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{Stateless: *stateless, JSONResponse: *asJSON},
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
		fmt.Fprintln(os.Stderr, "gosdk:", err)
		os.Exit(1)
	}
}
