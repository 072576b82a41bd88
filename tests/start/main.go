// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command start measures the first minute: how long MCP servers take until their
// tools are listed, each started by a client of its own, and all behind Holdfast.
//
//	go run ./tests/start             ten npm servers from an empty cache, and thirty warm
//	go run ./tests/start -small      shell scripts in place of npm servers
//
// Direct, one client for each server starts them all at once. Through Holdfast, one
// client lists the tools at /mcp again whenever it is told that they have changed. Both
// are measured from the start of the first process to the list with the last server's
// tools; each way has an npm cache of its own, and rounds go one way first in turn. Then
// a server that hangs is put beside the others, which must not feel it.
//
// It prints both times and their ratio, and fails when a way through Holdfast takes more
// than 1.2 times as long as the direct one and two seconds, or when a first answer takes
// more than a second. The times mean something only on a machine that does nothing else.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/holdfast-mcp/holdfast/tests/gobuild"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(command(ctx, os.Args[1:], os.Stdout))
}

// command is the whole program; it returns the exit status.
func command(ctx context.Context, args []string, out io.Writer) int {
	flags := flag.NewFlagSet("start", flag.ContinueOnError)
	flags.SetOutput(out)
	small := flags.Bool("small", false, "start shell scripts in place of npm servers")
	rounds := flags.Int("rounds", 1, "how often each is measured; the best of each counts")
	warm := flags.Int("warm", 30, "how many servers are started warm")
	listen := flags.String("listen", "127.0.0.1:0", "address that Holdfast listens on")
	keep := flags.Bool("keep", false, "keep the directory with caches, configuration and logs")
	if err := flags.Parse(args); err != nil || *rounds < 1 || *warm < 1 {
		return 2
	}
	dir, err := os.MkdirTemp("", "start-")
	if err != nil {
		fmt.Fprintln(out, "start:", err)
		return 1
	}
	if *keep {
		fmt.Fprintln(out, "kept in", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	r := &run{dir: dir, listen: *listen, rounds: *rounds, warm: *warm, out: out, make: npmServers}
	if err = r.build(ctx); err == nil {
		if *small {
			r.make = r.scripts
		}
		err = r.all(ctx)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(out, "start: interrupted")
	default:
		fmt.Fprintln(out, "start: failed:", err)
	}
	return 1
}

// build compiles what the run needs.
func (r *run) build(ctx context.Context) error {
	r.holdfast, r.echo = filepath.Join(r.dir, "holdfast"), filepath.Join(r.dir, "echo")
	return gobuild.Programs(ctx, map[string]string{r.holdfast: "cmd/holdfast", r.echo: "examples/echo"})
}
