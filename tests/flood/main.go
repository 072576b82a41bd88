// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command flood shows what one client can do to a node and to the others.
//
//	go run ./tests/flood                         every flood against the tree
//	go run ./tests/flood -before bin/holdfast    and against another binary, to compare
//	go run ./tests/flood -floods readers,bodies -for 40s
//
// Each flood comes from one address, for as long as it is told to, and begins
// again what it is cut off from. Other clients, at another address, call a tool
// all the while. Measured are the memory of the node, above what it had before,
// and how long the others' calls take, beside what they took just before. The
// attacker runs as a process of its own at the lowest priority, as it would have
// a machine of its own.
//
// Goroutines belong to round.run and attack, which await them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// quietFor is how long the others are alone before a flood.
const quietFor = 5 * time.Second

// What must hold during every flood.
const (
	maxMemory = 256   // MiB above idle
	maxSlower = 2     // times as long as before, for 99 of 100 calls of the others
	minCall   = 5_000 // microseconds: faster calls are not told apart from the machine's own noise
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 4 && os.Args[1] == attackWord {
		os.Exit(attack(ctx, os.Args[2], os.Args[3]))
	}
	os.Exit(command(ctx, os.Args[1:], os.Stdout))
}

// command is the whole program; it returns the exit status.
func command(ctx context.Context, args []string, out io.Writer) int {
	flags := flag.NewFlagSet("flood", flag.ContinueOnError)
	flags.SetOutput(out)
	before := flags.String("before", "", "another holdfast binary to measure first")
	which := flags.String("floods", strings.Join(names(), ","), "which floods")
	last := flags.Duration("for", 35*time.Second, "how long each lasts")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	chosen := strings.Split(*which, ",")
	for _, name := range chosen {
		if !slices.Contains(names(), name) {
			fmt.Fprintf(out, "flood: no flood %q; there are %s\n", name, strings.Join(names(), ", "))
			return 2
		}
	}
	err := measure(ctx, *before, chosen, *last, out)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(out, "flood: interrupted")
	default:
		fmt.Fprintln(out, "flood:", err)
	}
	return 1
}

// measure runs the floods, against the binary before if there is one, and against
// what the tree builds. It fails when that does not hold.
func measure(ctx context.Context, before string, chosen []string, last time.Duration, out io.Writer) error {
	dir, err := os.MkdirTemp("", "flood-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := build(ctx, dir)
	if err != nil {
		return err
	}
	binaries := []string{p.holdfast}
	if before != "" {
		binaries = []string{before, p.holdfast}
	}
	fmt.Fprintf(out, "%-9s %-22s %8s %8s %8s %9s %9s %7s %6s %8s\n",
		"binary", "flood", "idle MiB", "peak MiB", "above", "quiet p99", "flood p99", "failed", "log kB", "data kB")
	var broken []string
	for _, name := range chosen {
		for _, binary := range binaries {
			r := round{programs: p, binary: binary, flood: name, quiet: quietFor, last: last}
			f, err := r.run(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			which := "tree"
			if binary == before {
				which = "before"
			} else if bad := f.broken(); bad != "" {
				broken = append(broken, name+": "+bad)
			}
			fmt.Fprintf(out, "%-9s %-22s %8d %8d %8d %7.1fms %7.1fms %3d/%-4d %6d %8d\n", which, name, f.idle, f.peak, f.peak-f.idle,
				float64(f.quiet)/1000, float64(f.during)/1000, f.failed, f.calls, f.log, f.data)
		}
	}
	if len(broken) > 0 {
		return errors.New("does not hold: " + strings.Join(broken, "; "))
	}
	return nil
}

// figures are what one flood did.
type figures struct {
	idle, peak    int // memory in MiB
	quiet, during int // microseconds that 99 of 100 calls of the others took at most
	calls, failed int // of the others during the flood
	log, data     int // bytes written, in kB
}

// broken says what does not hold, nothing if all does.
func (f *figures) broken() string {
	var bad []string
	if above := f.peak - f.idle; above > maxMemory {
		bad = append(bad, fmt.Sprintf("%d MiB above idle, at most %d", above, maxMemory))
	}
	if limit := max(maxSlower*f.quiet, minCall); f.during > limit {
		bad = append(bad, fmt.Sprintf("others' calls take %.1f ms, at most %.1f", float64(f.during)/1000, float64(limit)/1000))
	}
	if f.failed > 0 || f.calls == 0 {
		bad = append(bad, fmt.Sprintf("%d of %d calls of the others failed", f.failed, f.calls))
	}
	return strings.Join(bad, ", ")
}
