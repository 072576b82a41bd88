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

// TestRootsReachTheServerOfTheSession holds that the reference server of files, which asks for its client's roots by
// itself and works in no other directories then, has those of the session's client at the first call, and others at the
// first call after the client has said that they changed. Each session has a process of its own.
func TestRootsReachTheServerOfTheSession(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir()) // as the server names it
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"configured", "ada", "bob", "later"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	command := filesystem(t, filepath.Join(dir, "configured"))
	config, err := json.Marshal(map[string]any{"mcpServers": map[string]any{
		"files": map[string]any{"command": command[0], "args": command[1:], "sharing": "session"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{config: filepath.Join(dir, "mcp.json"), data: filepath.Join(dir, "data")}
	if err := os.WriteFile(g.config, config, 0o644); err != nil {
		t.Fatal(err)
	}
	g.start(t, freeAddress(t))
	roots := func(name string) step { return step{"roots": []string{"file://" + filepath.Join(dir, name)}} }
	for _, d := range dialects[:2] {
		t.Run(d.name, func(t *testing.T) {
			check := func(p *peer, want string) {
				t.Helper()
				got := p.do(step{"op": "call", "name": "files__list_allowed_directories", "args": step{}}).text(t)
				if !strings.HasSuffix(got, "\n"+filepath.Join(dir, want)) {
					t.Errorf("the server works in %q, want %s", got, want)
				}
			}
			ada, _ := dial(t, d, g.url("/mcp"), roots("ada"))
			bob, _ := dial(t, d, g.url("/mcp"), roots("bob"))
			check(ada, "ada")
			check(bob, "bob")
			ada.do(step{"op": "answers", "answers": roots("later")})
			check(ada, "ada")
			ada.do(step{"op": "rootsChanged"})
			check(ada, "later")
			check(bob, "bob")
		})
	}
}
