// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command cluster shows that sessions survive what happens to the nodes that serve
// them.
//
//	go run ./tests/cluster              all runs, one after the other
//	go run ./tests/cluster -run kills   one of them; -h lists them
//
// Each run starts real Holdfast processes on loopback, most behind a load balancer
// without stickiness that uses the file in deploy/, and clients of both eras. A
// client keeps its session for the whole run. Every operation must have exactly one
// outcome: its own result, or an explicit failure while there is a fault. What was
// acknowledged must be there afterwards, on every node.
//
// The requests that are counted are written by hand, so that no retry hides an
// outcome; the official TypeScript and Go SDKs run beside them. A failure prints
// the seed, which repeats the choices, though not the kernel's.
//
// Processes belong to fleets, which end them; goroutines to crowds, which await them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-mcp/holdfast/tests/ledger"
)

// run is one thing to show.
type run struct {
	name, about string
	do          func(ctx context.Context, e *env) error
}

// env is what a run works with.
type env struct {
	programs
	dir    string
	small  bool
	rounds int // 0 means the run's default
	seed   uint64
	l      *ledger.Ledger
}

func runs() []run {
	return []run{
		{"balance", "every operation works although consecutive requests meet different nodes", balance},
		{"kills", "random nodes are killed under load", kills},
		{"partition", "nodes are cut off from each other while the same sessions change at all of them", partition},
		{"weather", "random faults follow each other while the same sessions change at all nodes", weather},
		{"hang", "random nodes are stopped for a while, which no connection tells of", hang},
		{"alone", "a single node is killed again and again, and then grown to three", alone},
		{"answers", "questions are answered at another node while the one that asked is stopped", answers},
		{"drain", "a node leaves while long calls are in flight behind a balancer", drain},
		{"roll", "all nodes are restarted one after the other under load", roll},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(command(ctx, os.Args[1:], os.Stdout))
}

// command is the whole program; it returns the exit status.
func command(ctx context.Context, args []string, out io.Writer) int {
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(out)
	var names []string
	about := "which runs, with commas between; all when empty:"
	for _, r := range runs() {
		about += fmt.Sprintf("\n%-10s %s", r.name, r.about)
	}
	which := flags.String("run", "", about)
	seed := flags.Uint64("seed", rand.Uint64()>>32, "of all random choices")
	small := flags.Bool("small", false, "the size that ordinary tests have")
	rounds := flags.Int("rounds", 0, "of those runs that have rounds; 0 means the default")
	keep := flags.Bool("keep", false, "keep the directory with configurations, data and logs")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *which != "" {
		names = strings.Split(*which, ",")
	}
	dir, err := os.MkdirTemp("", "cluster-")
	if err != nil {
		fmt.Fprintln(out, "cluster:", err)
		return 1
	}
	if *keep {
		fmt.Fprintln(out, "kept in", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	p, err := build(ctx, dir)
	if err != nil {
		fmt.Fprintln(out, "cluster:", err)
		return 1
	}
	status := 0
	for _, r := range runs() {
		if len(names) > 0 && !slices.Contains(names, r.name) {
			continue
		}
		e := &env{programs: p, dir: dir, small: *small, rounds: *rounds, seed: *seed}
		if err := e.run(ctx, r, out); err != nil {
			status = 1
			if errors.Is(err, context.Canceled) {
				fmt.Fprintln(out, "cluster: interrupted")
				return status
			}
			fmt.Fprintf(out, "cluster: %s failed with seed %d: %v\n", r.name, *seed, err)
		}
	}
	return status
}

// limit holds that something took no longer than it may, on a machine that has
// nothing else to do. At the small size, beside other tests, it is only told.
func (e *env) limit(what string, took, most time.Duration) {
	if took > most && !e.small {
		e.l.Breach("%s took %v, want at most %v", what, took.Round(time.Millisecond), most)
	}
}

// run does one run and prints its ledger.
func (e *env) run(ctx context.Context, r run, out io.Writer) error {
	e.l = ledger.New(r.name, out)
	fmt.Fprintf(out, "== %s: %s; seed %d\n", r.name, r.about, e.seed)
	err := r.do(ctx, e)
	e.l.Table(out)
	if verdict := e.l.Verdict(); verdict != nil {
		err = errors.Join(err, verdict)
	}
	return err
}
