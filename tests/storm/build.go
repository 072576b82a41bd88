// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// programs are the built programs.
type programs struct {
	dir              string // for everything else of the run
	holdfast, server string
}

// build compiles what the run needs into dir.
func build(ctx context.Context, dir string) (programs, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return programs{}, fmt.Errorf("find the module: %w", err)
	}
	p := programs{dir: dir, holdfast: filepath.Join(dir, "holdfast"), server: filepath.Join(dir, "stormserver")}
	for bin, pkg := range map[string]string{p.holdfast: "./cmd/holdfast", p.server: "./tests/storm/server"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, pkg)
		cmd.Dir = strings.TrimSpace(string(root))
		if out, err := cmd.CombinedOutput(); err != nil {
			return programs{}, fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	return p, nil
}
