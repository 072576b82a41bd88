// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command gosdk hosts a server made with the official Go SDK, unchanged, for
// clients of every revision.
//
//	gosdk -listen 127.0.0.1:8080    # at /mcp and /servers/greeter/mcp
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/holdfast-mcp/holdfast"
	"github.com/holdfast-mcp/holdfast/adapter/gosdk"
)

// newGreeter is an SDK server as it was written: a tool that asks its user, by
// the session, within the call.
func newGreeter() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "greeter", Version: "1.0.0"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "greet", Description: "Greets the user by name"}, greet)
	return s
}

func greet(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	answer, err := req.Session.Elicit(ctx, &mcp.ElicitParams{
		Message: "What is your name?",
		RequestedSchema: map[string]any{
			"type":       "object",
			"properties": map[string]any{"name": map[string]any{"type": "string"}},
			"required":   []string{"name"},
		},
	})
	if err != nil {
		return nil, nil, err
	}
	text := "Hello, whoever you are"
	if answer.Action == "accept" {
		text = fmt.Sprintf("Hello, %s", answer.Content["name"])
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
}

// newNode hosts it.
func newNode(ctx context.Context, cfg holdfast.Config) (*holdfast.Node, error) {
	node, err := holdfast.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return node, gosdk.Mount(node, "greeter", newGreeter())
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address to serve HTTP on")
	data := flag.String("data", "", "data directory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	node, err := newNode(ctx, holdfast.Config{Listen: *listen, DataDir: *data, Name: "greeter-host", Version: "1.0.0"})
	if err == nil {
		err = node.Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gosdk:", err)
		os.Exit(1)
	}
}
