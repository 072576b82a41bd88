// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/client"
)

const (
	// stopLimit is how long Holdfast may take to end.
	stopLimit = 30 * time.Second
	// lookAgain is how long a client that is told nothing waits before it lists again.
	lookAgain = 2 * time.Second
)

// passage is what a client met on its way through Holdfast.
type passage struct {
	all     time.Duration // from Holdfast's start until the tools of all servers were listed
	greeted time.Duration // from its connection until the first client was greeted
	listed  time.Duration // until the first list of a client that comes when all are up
}

// through starts Holdfast with the servers, and with others that never come up, and
// ends it again.
func (r *run) through(ctx context.Context, servers []spec, never ...spec) (p passage, err error) {
	ctx, cancel := context.WithTimeout(ctx, upLimit)
	defer cancel()
	began := time.Now()
	url, stop, err := r.serve(ctx, append(append([]spec(nil), never...), servers...))
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	changed := make(chan struct{}, 1)
	met := time.Now()
	c, err := client.Connect(ctx, client.HTTP(url), client.OnToolsChanged(func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}))
	if err != nil {
		return p, err
	}
	defer c.Close()
	p.greeted = time.Since(met)
	for {
		names, err := toolNames(ctx, c)
		if err != nil {
			return p, fmt.Errorf("list tools: %w", err)
		}
		if missing := without(servers, names); missing == "" {
			break
		} else if ctx.Err() != nil {
			return p, fmt.Errorf("no tools of %s", missing)
		}
		select {
		case <-changed:
		case <-time.After(lookAgain):
		case <-ctx.Done():
		}
	}
	p.all = time.Since(began)
	met = time.Now()
	late, err := client.Connect(ctx, client.HTTP(url))
	if err != nil {
		return p, err
	}
	defer late.Close()
	_, err = toolNames(ctx, late)
	p.listed = time.Since(met)
	return p, err
}

// without returns the first server whose tools are not among the names, "" for none.
func without(servers []spec, names []string) string {
	up := map[string]bool{}
	for _, name := range names {
		server, _, _ := strings.Cut(name, "__")
		up[server] = true
	}
	for i := range servers {
		if !up[servers[i].name] {
			return servers[i].name
		}
	}
	return ""
}

// serve starts Holdfast and returns its URL, and what stops it.
func (r *run) serve(ctx context.Context, servers []spec) (url string, stop func() error, err error) {
	dir, err := os.MkdirTemp(r.dir, "serve-")
	if err != nil {
		return "", nil, err
	}
	entries := map[string]spec{}
	for _, s := range servers {
		entries[s.name] = s
	}
	file, err := json.Marshal(map[string]any{"mcpServers": entries})
	if err != nil {
		return "", nil, err
	}
	config := filepath.Join(dir, "mcp.json")
	if err := os.WriteFile(config, file, 0o600); err != nil {
		return "", nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log.txt"))
	if err != nil {
		return "", nil, err
	}
	defer log.Close() // the process has its own
	cmd := exec.Command(r.holdfast, "serve", "--config", config, "--listen", r.listen, "--data", filepath.Join(dir, "data"))
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error { return end(cmd) }
	line, err := bufio.NewReader(stdout).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "holdfast is listening on ")
	if err != nil || !ok || ctx.Err() != nil {
		said, _ := os.ReadFile(log.Name())
		return "", nil, errors.Join(fmt.Errorf("holdfast does not listen: %q, %w\n%s", line, err, said), stop())
	}
	return url, stop, nil
}

// end stops Holdfast as a supervisor does.
func end(cmd *exec.Cmd) error {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(stopLimit, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("holdfast ended with %w", err)
	}
	return nil
}
