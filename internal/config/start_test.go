// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"testing"
	"time"
)

// TestStartTimeout holds how long servers may take to start for which nothing is said.
func TestStartTimeout(t *testing.T) {
	for entry, want := range map[string]time.Duration{
		`{"command": "npx", "args": ["-y", "pkg"]}`:                                5 * time.Minute,
		`{"command": "/usr/local/bin/npx", "args": ["-y", "pkg"]}`:                 5 * time.Minute,
		`{"command": "C:\\Program Files\\nodejs\\NPX.CMD", "args": ["-y", "pkg"]}`: 5 * time.Minute,
		`{"command": "cmd", "args": ["/c", "npx", "-y", "pkg"]}`:                   5 * time.Minute,
		`{"command": "env", "args": ["A=b", "uvx", "pkg"]}`:                        5 * time.Minute,
		`{"command": "uv", "args": ["--directory", "/x", "run", "server.py"]}`:     5 * time.Minute,
		`{"command": "docker", "args": ["run", "-i", "--rm", "mcp/x"]}`:            5 * time.Minute,
		`{"command": "docker", "args": ["mcp", "gateway", "run"]}`:                 5 * time.Minute,
		`{"command": "npm", "args": ["exec", "pkg"]}`:                              5 * time.Minute,
		`{"command": "npm", "args": ["--version"]}`:                                time.Minute,
		`{"command": "docker", "args": ["start", "-ai", "x"]}`:                     time.Minute,
		`{"command": "node", "args": ["npx"]}`:                                     time.Minute,
		`{"command": "sh", "args": ["-c", "sleep 35; exec server"]}`:               time.Minute,
		`{"command": "npx", "args": ["-y", "pkg"], "startTimeout": "30s"}`:         30 * time.Second,
		`{"command": "server", "startTimeout": "90s"}`:                             90 * time.Second,
		`{"url": "http://127.0.0.1:1/mcp"}`:                                        30 * time.Second,
		`{"url": "http://127.0.0.1:1/mcp", "startTimeout": "2s"}`:                  2 * time.Second,
	} {
		c, err := Parse("x.json", []byte(`{"mcpServers": {"a": `+entry+`}}`), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Servers[0].StartTimeout(); got != want {
			t.Errorf("%s: %v, want %v", entry, got, want)
		}
		if got := c.Servers[0].Installs(); got != (want == 5*time.Minute || strings.Contains(entry, "npx") && strings.Contains(entry, "30s")) {
			t.Errorf("%s installs: %t", entry, got)
		}
	}
}
