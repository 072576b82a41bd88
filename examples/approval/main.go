// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command approval is an MCP server whose tools ask the user before they act,
// for clients of every revision.
//
//	approval -listen 127.0.0.1:8080    # HTTP, at /mcp
//	approval -stdio                    # standard input and output
//
// The tool deploy waits for the answer where it needs it; the tool rollback
// returns its question and is run again with the answer, so that it survives a
// restart in between. Clients see no difference.
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

type approval struct {
	Approve bool `json:"approve" title:"Approve" jsonschema:"whether to go on"`
}

type deployIn struct {
	Version string `json:"version" default:"1.0.0" jsonschema:"what to deploy"`
}

// deploy asks by calling: it goes on where it stopped.
func deploy(ctx context.Context, req *server.Request, in deployIn) (string, error) {
	req.Progress(0, 2, "asking for approval")
	answer, action, err := server.Elicit[approval](ctx, req, "Deploy "+in.Version+"?")
	if err != nil {
		return "", err
	}
	if !answer.Approve {
		return "not deployed: " + action, nil
	}
	req.Progress(1, 2, "deploying")
	return "deployed " + in.Version, nil
}

// rollback asks by returning: nothing of it stays behind while the user thinks.
func rollback(_ context.Context, req *server.Request, in deployIn) (string, error) {
	var answer mcp.ElicitResult
	if !req.Answer("approval", &answer) {
		return "", &server.InputRequired{Requests: map[string]mcp.InputRequest{
			"approval": server.AskForm("Roll back to "+in.Version+"?", approval{}),
		}}
	}
	if form, ok := server.Form[approval](req, "approval"); !ok || !form.Approve {
		return "not rolled back: " + answer.Action, nil
	}
	return "rolled back to " + in.Version, nil
}

func newServer() *server.Server {
	s := server.New("approval", "1.0.0")
	server.AddTool(s, "deploy", "Deploys a version after the user has approved", deploy)
	server.AddTool(s, "rollback", "Goes back to a version after the user has approved", rollback)
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
		fmt.Fprintln(os.Stderr, "approval:", err)
		os.Exit(1)
	}
}
