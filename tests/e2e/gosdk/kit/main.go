// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command kit is a test server on the official Go SDK that has every feature of the protocol: tools with progress,
// logging, elicitation, sampling and roots, resources with subscriptions, prompts, completion and lists that change.
//
// With -listen it serves the same features four times over HTTP: at /stateful and /stateless as the SDK does by itself,
// at /old as a stateless server of the legacy revisions only, and at /sse by HTTP+SSE. Without, it serves standard
// input and output. It runs until it is killed or its input ends.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// legacyVersions are all revisions that the SDK has of the legacy era.
var legacyVersions = []string{"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}

func main() {
	listen := flag.String("listen", "", "TCP address to serve HTTP on; none: standard input and output")
	flag.Parse()
	if err := run(*listen); err != nil {
		fmt.Fprintln(os.Stderr, "kit:", err)
		os.Exit(1)
	}
}

func run(listen string) error {
	if listen == "" {
		return newKit("kit-stdio", nil).Run(context.Background(), &mcp.StdioTransport{})
	}
	mux := http.NewServeMux()
	mux.Handle("/stateful", streamable(newKit("kit-stateful", nil), &mcp.StreamableHTTPOptions{}))
	stateless := &mcp.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true}
	mux.Handle("/stateless", streamable(newKit("kit-stateless", nil), stateless))
	mux.Handle("/old", streamable(newKit("kit-old", legacyVersions), stateless))
	overSSE := newKit("kit-sse", nil)
	mux.Handle("/sse", mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return overSSE }, nil))
	mux.HandleFunc("/mcp", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	return http.ListenAndServe(listen, mux)
}

// streamable serves one server to everybody.
func streamable(server *mcp.Server, opts *mcp.StreamableHTTPOptions) http.Handler {
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, opts)
}
