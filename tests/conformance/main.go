// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command conformance runs the official MCP conformance suite against Holdfast and prints one table.
//
// Every server scenario of every protocol revision runs against one endpoint: by default the server of ./fixture,
// built and started here; with -url a server that is already running. The client scenarios run ./client. Unlike the
// suite's own exit code, a warning fails the run as a failure does, and so does a set that ran fewer scenarios than it
// has or a scenario that checked nothing; there is no list of expected failures.
//
// With -gateway the same scenarios run through a gateway, in all combinations of a client's and a backend's era. What
// cannot exist in a combination is listed in excuses.go with the reason, and must not be there without need. From such
// a run -bridge writes docs/bridge.md.
//
// Scenarios about authorization are left out: they test something that this repository does not have yet.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"

	"github.com/holdfast-mcp/holdfast/tests/npm"
)

// options are the command's flags.
type options struct {
	url        string
	command    string
	clientOnly bool
	serverOnly bool
	verbose    bool
	out        string
	only       string
	gateway    bool
	bridge     string
	parallel   int
}

func main() {
	var o options
	flag.StringVar(&o.url, "url", "", "test the server that already runs at this `URL` instead of the fixture (implies -server)")
	flag.StringVar(&o.command, "command", "", "test the client that this `command` runs instead of ./client (implies -client)")
	flag.BoolVar(&o.clientOnly, "client", false, "run the client sets only")
	flag.BoolVar(&o.serverOnly, "server", false, "run the server sets only")
	flag.BoolVar(&o.verbose, "verbose", false, "list every scenario and every informational check")
	flag.StringVar(&o.out, "out", "", "keep the suite's output in this `directory`")
	flag.StringVar(&o.only, "run", "", "run only the sets whose name matches this `regexp`")
	flag.BoolVar(&o.gateway, "gateway", false, "run the server sets through the gateway: clients and backends of both eras")
	flag.StringVar(&o.bridge, "bridge", "", "write the fidelity table of the gateway to this `file` (implies -gateway)")
	flag.IntVar(&o.parallel, "parallel", 2, "how many sets run at once")
	flag.Parse()
	o.gateway = o.gateway || o.bridge != ""

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	clean, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	}
	if !clean {
		os.Exit(1)
	}
}

// run runs the chosen sets and reports whether all were clean.
func run(ctx context.Context, o options) (bool, error) {
	sets, err := o.sets()
	if err != nil {
		return false, err
	}
	tree, err := npm.Install()
	if err != nil {
		return false, err
	}
	out := o.out
	if out == "" {
		if out, err = os.MkdirTemp("", "conformance-"); err != nil {
			return false, fmt.Errorf("create the output directory: %w", err)
		}
		defer func() { _ = os.RemoveAll(out) }()
	}
	if out, err = filepath.Abs(out); err != nil {
		return false, fmt.Errorf("find the output directory: %w", err)
	}
	if o.gateway {
		return runGateway(ctx, tree, o, out)
	}
	suite := suite{tree: tree, out: out, url: o.url, client: o.command}
	stop, err := suite.prepare(ctx, sets)
	if err != nil {
		return false, err
	}
	defer stop()

	results := suite.runAll(ctx, sets, o.parallel)
	printReport(os.Stdout, results, o.verbose)
	return allClean(results), ctx.Err()
}

// sets returns the sets that the flags choose.
func (o options) sets() ([]set, error) {
	pattern, err := regexp.Compile(o.only)
	if err != nil {
		return nil, fmt.Errorf("read -run: %w", err)
	}
	var chosen []set
	for _, s := range allSets() {
		wanted := !o.clientOnly && o.command == ""
		if s.client {
			wanted = !o.serverOnly && o.url == ""
		}
		if wanted && pattern.MatchString(s.name) {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 0 {
		return nil, errors.New("the flags choose no scenario set")
	}
	return chosen, nil
}
