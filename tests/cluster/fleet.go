// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/clustertest"
)

// fleet is a cluster with what it serves, and what balances over it. close ends
// all its processes.
type fleet struct {
	*clustertest.Cluster
	programs
	dir      string
	journal  string    // of the executions of hold
	balancer *balancer // nil when clients go to nodes
	web      *exec.Cmd // the server that is reached over HTTP
	http     *http.Transport
}

// plan says what a fleet is made of.
type plan struct {
	nodes    int    // default 3
	seeds    int    // how many of them each is told of; default all
	first    int    // how many are started at first; default all
	balancer string // haproxy, nginx, or none
	links    bool
	args     []string
}

// startTimeout bounds the start of a fleet, which shares two cores with others.
const startTimeout = time.Minute

// launch starts a fleet that takes traffic. Its files are in dir.
func launch(ctx context.Context, p programs, dir string, plan plan) (*fleet, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	dir, err := os.MkdirTemp(dir, "fleet-")
	if err != nil {
		return nil, err
	}
	f := &fleet{programs: p, dir: dir, journal: filepath.Join(dir, "journal")}
	config := filepath.Join(dir, "holdfast.json")
	f.Cluster, err = clustertest.New(clustertest.Config{
		Binary: p.holdfast, Dir: dir, Nodes: plan.nodes, Seeds: plan.seeds, First: plan.first, Links: plan.links, Args: append([]string{"--config", config}, plan.args...),
	})
	if err != nil {
		return nil, err
	}
	if err := f.serve(config); err != nil {
		f.close()
		return nil, err
	}
	f.http = &http.Transport{MaxIdleConnsPerHost: 4096, MaxIdleConns: 4096, DisableCompression: true}
	if err := f.Start(ctx); err != nil {
		f.close()
		return nil, err
	}
	if plan.balancer != "" {
		var addrs []string
		for _, n := range f.Nodes {
			addrs = append(addrs, n.Addr)
		}
		host, _, err := net.SplitHostPort(addrs[0])
		if err == nil {
			f.balancer, err = startBalancer(ctx, plan.balancer, p.root, dir, net.JoinHostPort(host, "8000"), addrs)
		}
		if err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

// serve starts the HTTP server and writes the configuration: beside that server
// one process that all clients share, and one for each session.
func (f *fleet) serve(config string) error {
	host, _, err := net.SplitHostPort(f.Nodes[0].Addr)
	if err != nil {
		return err
	}
	addr := net.JoinHostPort(host, "8001")
	f.web = exec.Command(f.kit, "-listen", addr)
	f.web.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := f.web.Start(); err != nil {
		return fmt.Errorf("start the HTTP server: %w", err)
	}
	server := func(sharing string, more map[string]any) map[string]any {
		s := map[string]any{"command": f.kit, "sharing": sharing, "env": map[string]string{"KIT_JOURNAL": f.journal}}
		for k, v := range more {
			s[k] = v
		}
		return s
	}
	data, err := json.Marshal(map[string]any{"mcpServers": map[string]any{
		"kit": server("shared", map[string]any{"args": []string{"-items"}}),
		"own": server("session", map[string]any{"max": 200}),
		"web": map[string]any{"type": "http", "url": "http://" + addr + "/mcp"},
	}})
	if err != nil {
		return err
	}
	return os.WriteFile(config, data, 0o600)
}

// url returns where clients find the fleet.
func (f *fleet) url() string {
	if f.balancer != nil {
		return "http://" + f.balancer.addr + "/mcp"
	}
	return f.Nodes[0].URL("/mcp")
}

// logs returns the end of all nodes' logs.
func (f *fleet) logs() string {
	text := ""
	for _, n := range f.Nodes {
		text += fmt.Sprintf("--- %s\n%s", n.Name, n.Log(30))
	}
	return text
}

func (f *fleet) close() {
	if f.balancer != nil {
		f.balancer.close()
	}
	f.Cluster.Close()
	if f.web != nil && f.web.Process != nil {
		_ = f.web.Process.Kill()
		_ = f.web.Wait()
	}
	f.http.CloseIdleConnections()
}
