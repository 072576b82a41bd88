// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/holdfast-mcp/holdfast/tests/npm"
)

// root is the module's directory, seen from the tests.
const root = "../.."

// shared is what all tests of a run use. The directory is removed at the end.
var shared struct {
	dir string

	mu     sync.Mutex
	builds map[string]func() (string, error)
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "holdfast-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	shared.dir = dir
	shared.builds = make(map[string]func() (string, error))
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// binary returns the path of a program of this repository, named by its directory. It is built once per run.
func binary(t *testing.T, dir string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts whole programs")
	}
	shared.mu.Lock()
	build := shared.builds[dir]
	if build == nil {
		build = sync.OnceValues(func() (string, error) { return compile(dir) })
		shared.builds[dir] = build
	}
	shared.mu.Unlock()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

func compile(dir string) (string, error) {
	bin := filepath.Join(shared.dir, filepath.Base(dir))
	cmd := exec.Command("go", "build", "-o", bin, ".")
	cmd.Dir = filepath.Join(root, filepath.FromSlash(dir))
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build ./%s: %w\n%s", dir, err, output)
	}
	return bin, nil
}

// packages returns the npm packages.
func packages(t *testing.T) npm.Tree {
	t.Helper()
	if testing.Short() {
		t.Skip("starts whole programs")
	}
	tree, err := npm.Install()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
