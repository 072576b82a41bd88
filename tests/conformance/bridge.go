// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/tests/npm"
)

// The eras, as the fixture's -era names them.
const (
	legacy = "legacy"
	modern = "modern"
)

// The ways in which the gateway reaches a backend.
const (
	overHTTP  = "http"
	overStdio = "stdio"
)

// A cell is one way through the gateway: clients of one era, and a backend that speaks one era over one transport.
type cell struct {
	client, backend string // eras
	wire            string // between gateway and backend
}

// cells are all there are, in the order of the report.
func cells() []cell {
	var all []cell
	for _, client := range []string{legacy, modern} {
		for _, backend := range []string{legacy, modern} {
			all = append(all, cell{client, backend, overHTTP}, cell{client, backend, overStdio})
		}
	}
	return all
}

// server is the backend's name in the mcpServers file.
func (c cell) server() string { return c.backend + "-" + c.wire }

func (c cell) String() string {
	return fmt.Sprintf("%s client > %s %s backend", c.client, c.backend, c.wire)
}

// sets are the official sets of the cell's clients. Over stdio one revision stands for its era: what differs between
// the revisions of the clients never reaches the backend.
func (c cell) sets() []set {
	required := func(version string, want int) set {
		return set{name: "requirements " + version, want: want, args: []string{"--requirements", version}}
	}
	var sets []set
	if c.client == legacy {
		sets = append(sets, required(v20251125, 33))
		if c.wire == overHTTP {
			sets = append(sets, serverAll(v20250326, 1), serverAll(v20250618, 27))
		}
	} else {
		sets = append(sets, required(v20260728, 50), headerSet())
		if c.wire == overHTTP || c.backend == modern {
			sets = append(sets, skillSet())
		}
	}
	for i := range sets {
		sets[i].name = c.String() + ": " + sets[i].name
	}
	return sets
}

// cellResult is what the suite found in a cell.
type cellResult struct {
	cell cell
	sets []setResult
}

// gateway is a `holdfast serve` in front of one fixture per era and transport.
type gateway struct {
	*service
	fixtures []*service
}

// startGateway builds the programs and starts them. What the backends over stdio need, the gateway starts itself.
func startGateway(ctx context.Context, out string) (g *gateway, err error) {
	fixture, err := build(ctx, out, fixtureProgram)
	if err != nil {
		return nil, err
	}
	holdfast, err := build(ctx, out, gatewayProgram)
	if err != nil {
		return nil, err
	}
	g = &gateway{}
	servers := map[string]any{}
	for _, era := range []string{legacy, modern} {
		f, err := startFixture(ctx, fixture, era, filepath.Join(out, "fixture-"+era+".log"))
		if err != nil {
			g.stop()
			return nil, err
		}
		g.fixtures = append(g.fixtures, f)
		servers[cell{backend: era, wire: overHTTP}.server()] = map[string]any{"url": f.url}
		process := map[string]any{"command": fixture, "args": []string{"-stdio", "-era", era}}
		if era == legacy {
			// Over stdio a legacy server's question does not say which call it belongs to. With a process for each
			// session it can only be this session's.
			process["sharing"] = "session"
		}
		servers[cell{backend: era, wire: overStdio}.server()] = process
	}
	config := filepath.Join(out, "mcp.json")
	data, err := json.Marshal(map[string]any{"mcpServers": servers}, json.Deterministic(true))
	if err == nil {
		err = os.WriteFile(config, data, 0o644)
	}
	if err == nil {
		g.service, err = startService(ctx, filepath.Join(out, "holdfast.log"), holdfast,
			"serve", "--config", config, "--data", filepath.Join(out, "data"))
	}
	if err == nil {
		err = awaitServers(ctx, holdfast, filepath.Join(out, "data"))
	}
	if err != nil {
		g.stop()
		return nil, fmt.Errorf("start the gateway: %w", err)
	}
	return g, nil
}

// awaitServers returns when no server is starting any more: the gateway serves before.
func awaitServers(ctx context.Context, holdfast, data string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		out, err := exec.CommandContext(ctx, holdfast, "servers", "--json", "--data", data).Output()
		if err == nil && !bytes.Contains(out, []byte(`"starting"`)) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("servers do not start: %w\n%s", ctx.Err(), out)
		}
	}
}

// stop ends the gateway, then the fixtures.
func (g *gateway) stop() {
	if g.service != nil {
		g.service.stop()
	}
	for _, f := range g.fixtures {
		f.stop()
	}
}

// runCells runs the suite in every cell through one gateway, some cells at once, and takes out what cannot exist. It
// waits for all the goroutines it starts.
func runCells(ctx context.Context, tree npm.Tree, out string, parallel int) ([]cellResult, error) {
	g, err := startGateway(ctx, out)
	if err != nil {
		return nil, err
	}
	defer g.stop()
	base := g.url[:len(g.url)-len("/mcp")]
	results := make([]cellResult, 0, len(cells()))
	slots := make(chan struct{}, max(parallel, 1))
	var running sync.WaitGroup
	for _, c := range cells() {
		sets := c.sets()
		r := cellResult{c, make([]setResult, len(sets))}
		results = append(results, r)
		s := suite{tree: tree, out: out, url: base + "/servers/" + c.server() + "/mcp"}
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			for i, set := range sets { // one after the other: over stdio calls of one client could be taken for each other
				r.sets[i] = s.runSet(ctx, set)
			}
		})
	}
	running.Wait()
	for i := range results {
		results[i].excuse(excuses)
	}
	return results, ctx.Err()
}

// runGateway runs the cells, prints the table, and writes the fidelity table when doc names a file.
func runGateway(ctx context.Context, tree npm.Tree, o options, out string) (bool, error) {
	results, err := runCells(ctx, tree, out, o.parallel)
	if err != nil {
		return false, err
	}
	var sets []setResult
	for _, r := range results {
		sets = append(sets, r.sets...)
	}
	printReport(os.Stdout, sets, o.verbose)
	clean := allClean(sets)
	if o.bridge == "" {
		return clean, nil
	}
	doc, err := fidelity(results)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		return false, nil
	}
	if !clean {
		return false, errors.New("the fidelity table is written only from a clean run")
	}
	return true, os.WriteFile(o.bridge, doc, 0o644)
}

// find returns the results of a scenario in the cell, one for each revision it ran at.
func (r *cellResult) find(scenario string) []scenarioResult {
	var found []scenarioResult
	for _, set := range r.sets {
		for _, s := range set.scenarios {
			if s.scenario == scenario {
				found = append(found, s)
			}
		}
	}
	return found
}

// excused reports whether a scenario was taken out, or a check of it.
func (s scenarioResult) excused() bool {
	return slices.ContainsFunc(s.checks, func(c check) bool { return c.Status == absent })
}
