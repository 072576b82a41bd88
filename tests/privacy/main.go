// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command privacy shows that what a server says about a call reaches nobody but
// that call's client.
//
//	go run ./tests/privacy            a thousand calls, at one node and at three
//	go run ./tests/privacy -holdfast FILE   the same with another Holdfast
//
// Clients of both eras call servers of both over stdio, which are shared by all, by a
// principal or by nobody. Calls are cancelled, time out, and lose their client or their
// session at random, while the servers go on with them: they ask, log and report
// progress, and everything they say names the call it is about. Each client checks
// what it gets, and the servers check who answers their questions.
//
// A failure prints the seed, which repeats the choices, though not the timing.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
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
	flags := flag.NewFlagSet("privacy", flag.ContinueOnError)
	flags.SetOutput(out)
	seed := flags.Uint64("seed", rand.Uint64()>>32, "of all random choices")
	calls := flags.Int("calls", 1000, "at each number of nodes")
	holdfast := flags.String("holdfast", "", "a `file` to test instead of this tree's Holdfast")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	dir, err := os.MkdirTemp("", "privacy-")
	if err != nil {
		fmt.Fprintln(out, "privacy:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	p, err := build(ctx, dir, *holdfast)
	for _, nodes := range []int{1, 3} {
		if err == nil {
			err = run(ctx, p, size{nodes, *calls}, *seed, out)
		}
	}
	if err != nil {
		fmt.Fprintf(out, "privacy: failed with seed %d: %v\n", *seed, err)
		return 1
	}
	return 0
}

// programs are the built programs.
type programs struct{ dir, holdfast, server string }

// build compiles what the run needs into dir.
func build(ctx context.Context, dir, holdfast string) (programs, error) {
	p := programs{dir, filepath.Join(dir, "holdfast"), filepath.Join(dir, "server")}
	what := map[string]string{p.holdfast: "cmd/holdfast", p.server: "tests/privacy/server"}
	if holdfast != "" {
		delete(what, p.holdfast)
		p.holdfast = holdfast
	}
	return p, gobuild.Programs(ctx, what)
}
