// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// Names of the proxies, also the values of -only.
const (
	proxyFloor    = "ReverseProxy"
	proxyHoldfast = "holdfast"
	proxyMerged   = "holdfast-merged"
	proxyMCPGo    = "mcp-go"
)

// upstreamDir is the package of the server behind every proxy.
const upstreamDir = "bench/upstream"

// proxyRow is one line of the gateway table: a proxy, the era its clients
// speak, and the server behind it.
type proxyRow struct {
	proxy
	client, server era
	stdio          bool // the server is a child process of the proxy
}

// proxy is how one gateway is built and started.
type proxy struct {
	name       string
	dir        string // from the repository's root
	module     string // as row.module
	path, tool string // of the echo tool, as clients see it
	sessions   bool   // it makes legacy sessions of its own or passes them on
	// arguments returns the command line for a site, after writing what files it needs.
	arguments func(site) ([]string, error)
}

// site is where a proxy stands: its address, a folder of its own, and the server
// behind it: a URL without path or, when that is empty, a command.
type site struct {
	addr, folder string
	url          string
	command      []string
}

// allProxyRows returns the rows in the table's order. ReverseProxy can bridge
// nothing and start nothing.
func allProxyRows() []proxyRow {
	floor := proxy{
		name: proxyFloor, dir: "bench/peers/reverseproxy", path: "/mcp", tool: "echo", sessions: true,
		arguments: func(s site) ([]string, error) { return []string{"-listen", s.addr, "-upstream", s.url}, nil },
	}
	holdfast := proxy{
		name: proxyHoldfast, dir: "cmd/holdfast", path: "/servers/echo/mcp", tool: "echo", sessions: true, arguments: serveArguments,
	}
	merged := holdfast
	merged.name, merged.path, merged.tool = proxyMerged, "/mcp", "echo__echo"
	peer := proxy{
		name: proxyMCPGo, dir: "bench/peers/mcpgoproxy", module: "github.com/mark3labs/mcp-go", path: "/mcp", tool: "echo", sessions: true,
		arguments: func(s site) ([]string, error) {
			if s.url == "" {
				return append([]string{"-listen", s.addr, "--"}, s.command...), nil
			}
			return []string{"-listen", s.addr, "-upstream", s.url + "/mcp"}, nil
		},
	}
	var rows []proxyRow
	add := func(p proxy, stdio bool, pairs ...[2]era) {
		for _, pair := range pairs {
			rows = append(rows, proxyRow{proxy: p, client: pair[0], server: pair[1], stdio: stdio})
		}
	}
	straight := [][2]era{{legacy, legacy}, {modern, modern}}
	bridged := [][2]era{{legacy, modern}, {modern, legacy}}
	add(floor, false, straight...)
	for _, p := range []proxy{holdfast, merged} {
		add(p, false, straight...)
		add(p, false, bridged...)
		add(p, true, straight...)
	}
	add(peer, false, straight...)
	add(peer, true, straight...)
	return rows
}

// serveArguments writes a configuration of one server and returns what makes
// holdfast serve it.
func serveArguments(s site) ([]string, error) {
	entry := map[string]any{"type": "http", "url": s.url + "/mcp"}
	if s.url == "" {
		entry = map[string]any{"command": s.command[0], "args": s.command[1:]}
	}
	text, err := json.Marshal(map[string]any{"mcpServers": map[string]any{"echo": entry}})
	if err != nil {
		return nil, fmt.Errorf("encode the configuration: %w", err)
	}
	file := filepath.Join(s.folder, "holdfast.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	return []string{"serve", "-config", file, "-data", filepath.Join(s.folder, "data"), "-listen", s.addr}, nil
}

// chooseProxyRows is chooseRows for the gateway table.
func chooseProxyRows(only string) ([]proxyRow, error) {
	rows := allProxyRows()
	if only == "" {
		return rows, nil
	}
	var known []string
	for _, r := range rows {
		known = append(known, r.name)
	}
	known = slices.Compact(known)
	wanted := strings.Split(only, ",")
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no row %q; rows are %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(rows, func(r proxyRow) bool { return !slices.Contains(wanted, r.name) }), nil
}
