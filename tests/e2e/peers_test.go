// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"slices"
	"strings"
	"testing"
)

// TestClientsAlone tests the test clients themselves against a reference server, without Holdfast: when this fails,
// the other failures say nothing about Holdfast.
func TestClientsAlone(t *testing.T) {
	for _, kind := range []sdk{legacyTS, modernTS, goSDK} {
		t.Run(string(kind), func(t *testing.T) {
			p := startPeer(t, kind)
			command := everything(t)
			p.do(step{
				"op": "connect", "transport": "stdio", "command": command[0], "args": command[1:],
				"answers": accept("name", "Ada"),
			})
			if names := p.do(step{"op": "tools"}).names(t); !slices.Contains(names, "echo") {
				t.Errorf("tools are %q", names)
			}
			r := p.do(step{"op": "call", "name": "trigger-elicitation-request", "args": step{}})
			if !slices.Contains(r.kinds(), "elicit") || !strings.Contains(r.text(t), "Ada") {
				t.Errorf("events %q, text %q", r.kinds(), r.text(t))
			}
			if r := p.try(step{"op": "call", "name": "no-such-tool", "args": step{}}); r.OK && !strings.Contains(r.text(t), "not found") {
				t.Errorf("a tool that does not exist gave %s", r.Result)
			}
			p.try(step{"op": "close"}) // the server ignores the end of its input, which the Go SDK calls an error
		})
	}
}

// everything returns the command of the reference server with every feature.
func everything(t *testing.T) []string {
	tree := packages(t)
	return []string{tree.Node, tree.Path("@modelcontextprotocol/server-everything", "dist", "index.js"), "stdio"}
}

// filesystem returns the command of the reference server that serves a directory.
func filesystem(t *testing.T, dir string) []string {
	tree := packages(t)
	return []string{tree.Node, tree.Path("@modelcontextprotocol/server-filesystem", "dist", "index.js"), dir}
}

// memory returns the command of the reference server that keeps a knowledge graph. It is started by a shell that stays
// its parent, as npx does, so that the server is a grandchild.
func memory(t *testing.T) []string {
	tree := packages(t)
	script := tree.Path("@modelcontextprotocol/server-memory", "dist", "index.js")
	return []string{"/bin/sh", "-c", `"$0" "$@"; exit $?`, tree.Node, script}
}

// TestDescendantsAreFound tests the look at /proc that the tests about orphans rely on.
func TestDescendantsAreFound(t *testing.T) {
	p := startPeer(t, legacyTS)
	command := memory(t)
	p.do(step{"op": "connect", "transport": "stdio", "command": command[0], "args": command[1:]})
	found := descendants(t, p.pid)
	if len(found) != 2 { // the shell and the server
		t.Fatalf("found %v", found)
	}
	if running := alive(t, found); len(running) != len(found) {
		t.Errorf("alive are %v of %v", running, found)
	}
}
