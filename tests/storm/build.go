// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"path/filepath"

	"github.com/holdfast-mcp/holdfast/tests/gobuild"
)

// programs are the built programs.
type programs struct {
	dir              string // for everything else of the run
	holdfast, server string
}

// build compiles what the run needs into dir.
func build(ctx context.Context, dir string) (programs, error) {
	p := programs{dir: dir, holdfast: filepath.Join(dir, "holdfast"), server: filepath.Join(dir, "stormserver")}
	return p, gobuild.Programs(ctx, map[string]string{p.holdfast: "cmd/holdfast", p.server: "tests/storm/server"})
}
