// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// TestStdio runs `holdfast serve --stdio` as desktop clients do, with a server behind it, in every dialect.
func TestStdio(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "note.txt"), []byte("low tide"), 0o644); err != nil {
		t.Fatal(err)
	}
	command := filesystem(t, dir)
	config, err := json.Marshal(map[string]any{"mcpServers": map[string]any{
		"files": map[string]any{"command": command[0], "args": command[1:]},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "mcp.json")
	if err := os.WriteFile(file, config, 0o644); err != nil {
		t.Fatal(err)
	}
	eachDialect(t, func(t *testing.T, d dialect) {
		p := startPeer(t, d.sdk)
		r := p.do(step{
			"op": "connect", "transport": "stdio", "era": d.era, "answers": step{},
			"command": binary(t, "cmd/holdfast"),
			"args":    []string{"serve", "--stdio", "--config", file, "--data", t.TempDir()},
		})
		var c connected
		decode(t, r.Result, &c)
		if c.Version != d.version && c.Version != "" { // the SDK 1 does not tell its version over stdio
			t.Errorf("the client speaks %q, not %q", c.Version, d.version)
		}
		awaitTools(t, p, "files__read_text_file")
		path := filepath.Join(dir, "note.txt")
		got := p.do(step{"op": "call", "name": "files__read_text_file", "args": step{"path": path}}).text(t)
		if strings.TrimSpace(got) != "low tide" {
			t.Errorf("files__read_text_file says %q", got)
		}
		children := descendants(t, p.pid)
		p.do(step{"op": "close"})
		eventually(t, orphanTimeout, "the gateway and its server ended", func() bool { return len(alive(t, children)) == 0 })
	})
}
