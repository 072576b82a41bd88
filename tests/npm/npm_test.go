// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package npm

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// TestLockNamesNoRegistry keeps the lock file usable with any registry.
func TestLockNamesNoRegistry(t *testing.T) {
	if bytes.Contains(lock, []byte(`"resolved"`)) {
		t.Error(`package-lock.json names the registry it was made with; remake it with the .npmrc beside it`)
	}
}

func TestInstall(t *testing.T) {
	if testing.Short() {
		t.Skip("installs from npm")
	}
	tree, err := Install()
	if err != nil {
		t.Fatal(err)
	}
	out, err := tree.Command(t.Context(), tree.Path("@modelcontextprotocol/conformance", "dist", "index.js"), "--version").CombinedOutput()
	if err != nil {
		t.Fatalf("run the conformance suite: %v\n%s", err, out)
	}
	if got := strings.TrimSpace(string(out)); got != "0.2.0-alpha.12" {
		t.Errorf("conformance suite is version %q", got)
	}
}

// TestNoNPM checks that a machine without npm is told what to install.
func TestNoNPM(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := exec.LookPath("npm"); err == nil {
		t.Fatal("npm found in an empty PATH")
	}
	if err := npmCI(t.Context(), t.TempDir()); err != ErrNoNPM {
		t.Errorf("got %v", err)
	}
}
