// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command bench measures what one MCP server costs its machine: CPU time per
// tools/call in both eras, and memory per idle session and per open stream.
// It builds examples/echo and the peers under bench/peers, runs them side by
// side, and prints one table. With -gateway it measures proxies instead: CPU
// time per call that passes through holdfast, beside httputil.ReverseProxy and
// another gateway in front of the same server, for all pairs of eras. Linux
// only, since it reads /proc.
//
// It is not a stress test and not a test of behaviour: it sends one kind of
// call, in a closed loop, from the same machine. But every answer is checked,
// and a row with one wrong answer has no figures.
//
// The requests are the files under wire/. The generator speaks HTTP/1.1 by
// itself over plain connections and imports no package of Holdfast, so that
// it measures every server alike and costs little beside them. Goroutines
// belong to crew.each and to process; both are waited for. Servers are stopped
// before the command ends, also on Ctrl-C.
//
// Exit status: 0 when everything was measured, 1 when a row failed or, with
// -check, the target was not met, 2 for wrong flags.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

var (
	errUsage  = errors.New("wrong usage")
	errRow    = errors.New("a row failed, see above")
	errTarget = errors.New("target not met")
)

// options are the flags.
type options struct {
	settings
	gateway  bool
	only     string
	jsonFile string
	check    bool
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.gateway, "gateway", false, "measure proxied calls, not servers")
	flags.IntVar(&o.Calls, "n", 0, "calls per round; 0 means 20000, with -gateway 3000")
	flags.IntVar(&o.Clients, "c", 16, "connections")
	flags.IntVar(&o.Rounds, "rounds", 0, "rounds; figures are their medians; 0 means 5, with -gateway 9")
	flags.IntVar(&o.Sessions, "sessions", 5_000, "idle sessions to measure memory with; 0 leaves them out")
	flags.IntVar(&o.Streams, "streams", 3_000, "open streams to measure memory with; 0 leaves them out")
	flags.StringVar(&o.only, "only", "", "rows to measure, with commas; all when empty")
	flags.StringVar(&o.jsonFile, "json", "", "file to write the result to as JSON")
	flags.BoolVar(&o.check, "check", false, "exit 1 unless the target is measured and met")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	calls, rounds := 20_000, 5
	if o.gateway {
		calls, rounds = 3_000, 9 // its ratios gain by frequent turns
	}
	o.Calls, o.Rounds = cmp.Or(o.Calls, calls), cmp.Or(o.Rounds, rounds)
	const most = 15_000 // streams and sessions stay under common descriptor limits
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("%w: unexpected argument %q", errUsage, flags.Arg(0))
	case o.Calls < o.Clients || o.Clients < 1 || o.Clients > most:
		return o, fmt.Errorf("%w: need 1 ≤ -c ≤ %d and -c ≤ -n", errUsage, most)
	case o.Rounds < 1:
		return o, fmt.Errorf("%w: need -rounds ≥ 1", errUsage)
	case o.Sessions < 0 || o.Streams < 0 || o.Streams > most:
		return o, fmt.Errorf("%w: need -sessions ≥ 0 and 0 ≤ -streams ≤ %d", errUsage, most)
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return errors.New("the benchmark reads /proc and so needs Linux")
	}
	root, err := repositoryRoot(ctx)
	if err != nil {
		return err
	}
	binaries, err := os.MkdirTemp("", "holdfast-bench-")
	if err != nil {
		return fmt.Errorf("make a folder for binaries: %w", err)
	}
	defer os.RemoveAll(binaries)

	measure := measureServers
	if o.gateway {
		measure = measureGateways
	}
	r, err := measure(ctx, o, root, binaries, stderr)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("stopped: %w", err)
	}
	return conclude(r, o, stdout)
}

// measureServers makes the table of servers.
func measureServers(ctx context.Context, o options, root, folder string, progress io.Writer) (result, error) {
	rows, err := chooseRows(o.only)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	h := newHarness(o.settings, rows, progress)
	h.build(ctx, root, folder)
	h.calls(ctx)
	h.memory(ctx)
	return newReport(o.settings, h.figures), nil
}

// measureGateways makes the table of proxies.
func measureGateways(ctx context.Context, o options, root, folder string, progress io.Writer) (result, error) {
	rows, err := chooseProxyRows(o.only)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	h := newGatewayHarness(o.settings, rows, folder, progress)
	if err := h.run(ctx, root); err != nil {
		return nil, err
	}
	return newGatewayReport(h.gatewaySettings, h.figures), nil
}

// result is what a table reports.
type result interface {
	print(w io.Writer) error
	save(file string) error
	failed() bool
	met() bool
}

// conclude prints and saves the report and turns it into the exit status.
func conclude(r result, o options, stdout io.Writer) error {
	if err := r.print(stdout); err != nil {
		return err
	}
	if o.jsonFile != "" {
		if err := r.save(o.jsonFile); err != nil {
			return err
		}
	}
	if r.failed() {
		return errRow
	}
	if o.check && !r.met() {
		return errTarget
	}
	return nil
}

func main() {
	// The kernel kills the servers when the thread that started them ends.
	// This one ends last.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
