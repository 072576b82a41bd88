// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/clustertest"
	"github.com/holdfast-mcp/holdfast/tests/ledger"
)

// size is that of one run.
type size struct{ nodes, calls int }

// The clients of a run, and how long anything may take.
const (
	legacyClients = 5
	modernClients = 4
	callTimeout   = 700 * time.Millisecond // of a call, in the gateway
	runTimeout    = 10 * time.Minute
)

// run lets the clients make their calls and fails when anything went astray.
func run(ctx context.Context, p programs, s size, seed uint64, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	dir, err := os.MkdirTemp(p.dir, "run-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	report := filepath.Join(dir, "report")
	config, err := configuration(p, dir, report)
	if err != nil {
		return err
	}
	nodes, err := clustertest.New(clustertest.Config{Binary: p.holdfast, Dir: dir, Nodes: s.nodes, Args: []string{"--config", config}})
	if err != nil {
		return err
	}
	defer nodes.Close()
	if err := nodes.Start(ctx); err != nil {
		return err
	}
	l := ledger.New("privacy", out)
	fmt.Fprintf(out, "%d nodes, %d clients, %d calls; seed %d\n", s.nodes, legacyClients+modernClients, s.calls, seed)
	var all sync.WaitGroup
	for i := range legacyClients + modernClients {
		c := &client{
			l: l, nodes: nodes.Nodes, modern: i >= legacyClients, name: fmt.Sprintf("client%d", i),
			random: rand.New(rand.NewPCG(seed, uint64(i))),
		}
		all.Go(func() { c.make(ctx, s.calls/(legacyClients+modernClients)+1) })
	}
	l.Await(&all, runTimeout)
	for _, kind := range proof {
		if l.Counted(kind) == 0 {
			l.Breach("no %s: the run shows nothing", kind)
		}
	}
	time.Sleep(2 * callTimeout) // what the servers say late has nobody to reach but those who are gone
	if data, err := os.ReadFile(report); err == nil {
		for line := range strings.Lines(string(data)) {
			l.Breach("%s", strings.TrimSpace(line))
		}
	}
	l.Table(out)
	return l.Verdict()
}

// servers are of each era and shared in each way.
var servers = []string{"legacy-shared", "legacy-principal", "legacy-session", "modern-shared", "modern-principal", "modern-session"}

// configuration writes the file of servers.
func configuration(p programs, dir, report string) (string, error) {
	all := map[string]any{}
	for _, name := range servers {
		era, sharing, _ := strings.Cut(name, "-")
		all[name] = map[string]any{
			"command": p.server, "args": []string{era}, "sharing": sharing, "env": map[string]string{"REPORT": report},
			"timeout": callTimeout.String(),
		}
	}
	data, err := json.Marshal(map[string]any{"mcpServers": all})
	if err != nil {
		return "", fmt.Errorf("write the configuration: %w", err)
	}
	file := filepath.Join(dir, "mcp.json")
	return file, os.WriteFile(file, data, 0o600)
}
