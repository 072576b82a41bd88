// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// spec is one server to start, as it stands in a configuration file.
type spec struct {
	Command string            `json:"command"`
	Args    []string          `json:"args,omitempty"`
	Env     map[string]string `json:"env,omitempty"`

	name string
}

// packages are npm servers that need no key and no service to list their tools.
var packages = []struct {
	name string
	args []string
}{
	{"@modelcontextprotocol/server-everything@2026.8.31", nil},
	{"@modelcontextprotocol/server-filesystem@2026.8.31", []string{"/tmp"}},
	{"@modelcontextprotocol/server-memory@2026.8.31", nil},
	{"@modelcontextprotocol/server-sequential-thinking@2026.8.31", nil},
	{"@playwright/mcp@0.0.83", nil},
	{"chrome-devtools-mcp@1.11.0", nil},
	{"@upstash/context7-mcp@4.1.1", nil},
	{"@antv/mcp-server-chart@0.9.10", nil},
	{"mongodb-mcp-server@3.0.4", nil},
	{"mcp-server-kubernetes@4.1.7", nil},
}

// npmServers returns n servers that npx runs, with an npm cache. Beyond the number of
// packages they are the same again, under other names.
func npmServers(n int, cache string) []spec {
	servers := make([]spec, n)
	for i := range servers {
		p := packages[i%len(packages)]
		servers[i] = spec{
			name: fmt.Sprintf("s%d", i), Command: "npx", Args: append([]string{"-y", p.name}, p.args...),
			Env: map[string]string{"npm_config_cache": cache, "npm_config_update_notifier": "false"},
		}
	}
	return servers
}

// scripts returns n servers that work for a moment before they answer; when their
// cache is empty, longer.
func (r *run) scripts(n int, cache string) []spec {
	const script = `i=0; [ -e "$CACHE/$NAME" ] || while [ $i -lt 200000 ]; do i=$((i+1)); done; mkdir -p "$CACHE"; : > "$CACHE/$NAME"; exec "$ECHO" -stdio`
	servers := make([]spec, n)
	for i := range servers {
		name := fmt.Sprintf("s%d", i)
		servers[i] = spec{
			name: name, Command: "sh", Args: []string{"-c", script},
			Env: map[string]string{"CACHE": cache, "NAME": name, "ECHO": r.echo},
		}
	}
	return servers
}

// hanging is a server that never answers.
func hanging() spec { return spec{name: "hangs", Command: "sleep", Args: []string{"100000"}} }
