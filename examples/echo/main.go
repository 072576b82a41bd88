// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command echo is the smallest MCP server: one tool that returns its text.
//
//	echo -listen 127.0.0.1:8080    # HTTP, at /mcp
//	echo -stdio                    # standard input and output
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/holdfast-mcp/holdfast/server"
)

type echoIn struct {
	Text string `json:"text" jsonschema:"the text to return"`
}

func echo(_ context.Context, _ *server.Request, in echoIn) (string, error) { return in.Text, nil }

func newServer() *server.Server {
	s := server.New("echo", "1.0.0")
	server.AddTool(s, "echo", "Returns its text", echo, server.ReadOnly())
	return s
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address to serve HTTP on")
	stdio := flag.Bool("stdio", false, "serve standard input and output instead")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	serve := func() error { return newServer().ListenAndServe(ctx, *listen) }
	if *stdio {
		serve = func() error { return newServer().ServeStdio(ctx) }
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}
