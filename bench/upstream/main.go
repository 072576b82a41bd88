// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command upstream is the server behind the proxies of the benchmark in the
// folder above: one echo{text} tool in one era, over HTTP or standard streams.
// It is always a process of its own, whose CPU time nobody counts.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

type echoIn struct {
	Text string `json:"text" jsonschema:"the text to return"`
}

func echo(_ context.Context, _ *server.Request, in echoIn) (string, error) { return in.Text, nil }

func run() error {
	listen := flag.String("listen", "127.0.0.1:8080", "address to serve HTTP on")
	stdio := flag.Bool("stdio", false, "serve standard input and output instead")
	era := flag.String("era", "legacy", "the only era served: legacy or modern")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	only := map[string]mcp.Era{"legacy": mcp.Legacy, "modern": mcp.Modern}
	chosen, ok := only[*era]
	if !ok {
		return fmt.Errorf("no era %q", *era)
	}
	s := server.New("upstream", "1.0.0", server.Eras(chosen))
	server.AddTool(s, "echo", "Returns its text", echo)
	if *stdio {
		return s.ServeStdio(ctx)
	}
	return s.ListenAndServe(ctx, *listen)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "upstream:", err)
		os.Exit(1)
	}
}
