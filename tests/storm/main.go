// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command storm shows that a gateway under attack keeps its promises.
//
//	go run ./tests/storm               servers and Holdfast itself are killed at random
//	go run ./tests/storm -isolation    some servers are sick: what do the others feel?
//
// The storm runs many clients of both eras against many servers with a process
// per session, and fewer processes allowed than are wanted. It kills servers,
// what they left behind, the keeper and Holdfast, which starts again on the same
// data directory. Each call must have exactly one outcome: its own result, an
// error that names the server, or a broken connection because Holdfast was
// killed. After each death nothing may be left of what it ran, the ceiling of
// processes is never exceeded, and a Holdfast that lives on ends up with the
// memory, descriptors and goroutines it began with.
//
// Isolation measures how long healthy servers take to answer, with and without
// sick ones beside them, in turns.
//
// Both kill only what they started. The requests are written by hand and nothing
// of Holdfast's client is used, so that no retry hides an outcome. A failure
// prints the seed, which repeats the choices, though not the kernel's.
//
// Goroutines belong to storm.run, crowd and isolation, which await them.
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
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(command(ctx, os.Args[1:], os.Stdout))
}

// command is the whole program; it returns the exit status.
func command(ctx context.Context, args []string, out io.Writer) int {
	flags := flag.NewFlagSet("storm", flag.ContinueOnError)
	flags.SetOutput(out)
	seed := flags.Uint64("seed", rand.Uint64()>>32, "of all random choices")
	small := flags.Bool("small", false, "the size that ordinary tests have")
	apart := flags.Bool("isolation", false, "measure what healthy servers feel of sick ones")
	sick := flags.String("sick", defaultSick, "with -isolation, which sick servers")
	rounds := flags.Int("rounds", 0, "how often Holdfast is killed, or pairs of rounds of -isolation; 0 means the default")
	keep := flags.Bool("keep", false, "keep the directory with configuration and logs")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	dir, err := os.MkdirTemp("", "storm-")
	if err != nil {
		fmt.Fprintln(out, "storm:", err)
		return 1
	}
	if *keep {
		fmt.Fprintln(out, "kept in", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	p, err := build(ctx, dir)
	if err == nil && *apart {
		err = measureIsolation(ctx, p, *sick, *rounds, out)
	} else if err == nil {
		err = fullStorm(ctx, p, *small, *rounds, *seed, out)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(out, "storm: interrupted")
	default:
		fmt.Fprintf(out, "storm: failed with seed %d: %v\n", *seed, err)
	}
	return 1
}

func fullStorm(ctx context.Context, p programs, small bool, rounds int, seed uint64, out io.Writer) error {
	s := fullSize
	if small {
		s = smallSize
	}
	if rounds > 0 {
		s.rounds = rounds
	}
	fmt.Fprintf(out, "%d servers, %d clients, at most %d processes, Holdfast killed %d times; seed %d\n",
		s.servers, s.clients, s.processes, s.rounds, seed)
	st := newStorm(p, s, seed, out)
	err := st.run(ctx)
	st.l.Table(out)
	return err
}
