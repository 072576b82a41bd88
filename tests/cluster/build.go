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

	"github.com/holdfast-mcp/holdfast/tests/gobuild"
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
	return p, gobuild.Programs(ctx, map[string]string{p.holdfast: "cmd/holdfast", p.kit: "tests/cluster/kit", p.crowd: "tests/cluster/crowd"})
}
