// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package holdfast_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/config"
)

var (
	program = regexp.MustCompile("(?s)```go\n(package main\n.*?)```")
	fence   = regexp.MustCompile("(?s)```sh\n(.*?)```")
	configs = regexp.MustCompile("(?s)```(yaml|json)\n(.*?)```")
	targets = regexp.MustCompile("`make ([a-z-]+)`")
)

// TestReadmeStart runs the README's first commands as a newcomer would: what
// follows `make serve` is run against what `make serve` runs.
func TestReadmeStart(t *testing.T) {
	if testing.Short() {
		t.Skip("starts whole programs")
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range targets.FindAllStringSubmatch(string(readme), -1) {
		if !strings.Contains(string(makefile), "\n"+m[1]+":") {
			t.Errorf("README names make %s, which the Makefile lacks", m[1])
		}
	}
	bin := filepath.Join(t.TempDir(), "holdfast")
	if out, err := exec.Command("go", "build", "-o", bin, "./cmd/holdfast").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	t.Setenv("XDG_STATE_HOME", t.TempDir()) // where the default data directory is
	url := serveDemo(t, bin)
	ran := 0
	for _, block := range fence.FindAllStringSubmatch(string(readme), -1) {
		for line := range strings.Lines(block[1]) {
			line = strings.TrimSpace(line)
			if !strings.HasPrefix(line, "./bin/holdfast ") || strings.HasPrefix(line, "./bin/holdfast serve") {
				continue
			}
			line = strings.Replace(line, "./bin/holdfast", bin, 1)
			line = strings.Replace(line, "http://127.0.0.1:8080/mcp", url, 1)
			if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
			ran++
		}
	}
	if ran < 5 {
		t.Errorf("the README shows %d commands to try, want at least 5", ran)
	}
}

// TestReadmeConfig reads the configurations that the README shows.
func TestReadmeConfig(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := configs.FindAllStringSubmatch(string(readme), -1)
	if len(blocks) < 2 {
		t.Fatalf("the README shows %d configurations, want at least 2", len(blocks))
	}
	for _, block := range blocks {
		env := func(string) (string, bool) { return "x", true }
		if cfg, err := config.Parse("README."+block[1], []byte(block[2]), env); err != nil {
			t.Error(err)
		} else if len(cfg.Notices) > 0 {
			t.Errorf("the README's configuration has no effect in parts: %q", cfg.Notices)
		}
	}
}

// serveDemo starts the built-in demo on a free port and returns its URL.
func serveDemo(t *testing.T, bin string) string {
	t.Helper()
	cmd := exec.Command(bin, "serve", "--listen", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve after Ctrl-C: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "holdfast is listening on ")
	if err != nil || !ok {
		t.Fatalf("first line %q, %v", line, err)
	}
	return url
}

// TestReadmePrograms builds the programs of the README.
func TestReadmePrograms(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := program.FindAllStringSubmatch(string(readme), -1)
	if len(programs) == 0 {
		t.Fatal("README has no program")
	}
	for _, p := range programs {
		file := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(file, []byte(p[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}
