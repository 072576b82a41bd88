// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package gobuild builds programs of this module for tests and measurements that
// run them as users do.
package gobuild

import (
	"context"
	"fmt"
	"os/exec"
)

const module = "github.com/holdfast-mcp/holdfast/"

// Programs compiles packages of this module, each to a file: packages has, by path of the
// file, the path below the module. The working directory is anywhere in the module.
func Programs(ctx context.Context, packages map[string]string) error {
	for file, pkg := range packages {
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", file, module+pkg).CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	return nil
}
