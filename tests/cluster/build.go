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

// programs are the built programs, and the module they were built from.
type programs struct {
	root                 string
	holdfast, kit, crowd string
}

// build compiles what the runs need into dir.
func build(ctx context.Context, dir string) (programs, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return programs{}, fmt.Errorf("find the module: %w", err)
	}
	p := programs{
		root:     strings.TrimSpace(string(root)),
		holdfast: filepath.Join(dir, "holdfast"), kit: filepath.Join(dir, "kit"), crowd: filepath.Join(dir, "crowd"),
	}
	for bin, pkg := range map[string]string{p.holdfast: "./cmd/holdfast", p.kit: "./tests/cluster/kit", p.crowd: "./tests/cluster/crowd"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, pkg)
		cmd.Dir = p.root
		if out, err := cmd.CombinedOutput(); err != nil {
			return programs{}, fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	return p, nil
}
