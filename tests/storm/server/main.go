// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command server is what the storm runs behind Holdfast, as a child process or,
// with -listen, over HTTP.
//
//	server                    a healthy server: echo, count, slow, fork, die
//	server -era legacy        the same for one era only
//	server -sick hang         a sick one; see sick.go
//
// The tool fork leaves processes behind that only a supervisor can find again:
// they have a session of their own and ignore what can be ignored.
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

func main() {
	if len(os.Args) > 1 && os.Args[1] == strayWord {
		stray(os.Args[2:])
		return
	}
	listen := flag.String("listen", "", "address to serve on; empty means standard input and output")
	era := flag.String("era", "both", "eras to serve: both, legacy or modern")
	sick := flag.String("sick", "", "be sick: "+sicknesses())
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, *listen, *era, *sick)
	if err != nil {
		fmt.Fprintln(os.Stderr, "storm server:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen, era, sick string) error {
	if sick != "" {
		return beSick(sick)
	}
	var opts []server.Option
	switch era {
	case "both":
	case "legacy":
		opts = append(opts, server.Eras(mcp.Legacy))
	case "modern":
		opts = append(opts, server.Eras(mcp.Modern))
	default:
		return fmt.Errorf("era %q: want both, legacy or modern", era)
	}
	s := server.New("storm", "1.0.0", opts...)
	addTools(s)
	if listen != "" {
		return s.ListenAndServe(ctx, listen)
	}
	return s.ServeStdio(ctx)
}
