// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/tests/wire"
)

var update = flag.Bool("update", false, "rewrite the scripts with what their commands came to")

// TestScripts plays the scripts in testdata, each on a cluster of its own. Read
// the difference that -update makes before you commit it.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { playFile(t, file) })
	}
}

func playFile(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	comment, scenes := readScript(string(text))
	how, err := planOf(comment)
	if err != nil {
		t.Fatal(err)
	}
	f, err := launch(t.Context(), programsOf(t), t.TempDir(), how)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	p := &player{f: f, sessions: map[string]*wire.Client{}, heard: map[string]*updates{}, stop: map[string]context.CancelFunc{}}
	defer p.close()
	results := p.play(t.Context(), scenes)
	var out strings.Builder
	out.WriteString(comment + "\n")
	for i, s := range scenes {
		if results[i] != s.want && !*update {
			t.Errorf("%s:%d: %s\ncame to\n  %s\nwant\n  %s", file, s.line, s.command, results[i], s.want)
		}
		out.WriteString("> " + s.command + "\n")
		if results[i] != "" {
			out.WriteString(results[i] + "\n")
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if t.Failed() {
		t.Log(f.logs())
	}
}
