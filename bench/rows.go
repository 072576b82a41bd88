// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Row names, also the values of -only.
const (
	rowHoldfast = "holdfast"
	rowMCPGo    = "mcp-go"
	rowBare     = "net/http"
)

// row is one line of the table: how its server is built and started.
type row struct {
	name string
	// dir is the module or package folder, from the repository's root.
	dir string
	// module is the dependency whose version is shown; empty for our own code.
	module string
	// args are the flags beside -listen, by era.
	args map[era][]string
	// divisor is what the row's calls per round are cut by. A server that needs
	// much time for a call is measured as sharply with fewer of them.
	divisor int
	// sessions is false for the bare handler, which has none to open.
	sessions bool
}

// allRows returns the rows in the table's order. Only the Go SDK needs a
// process of another kind for each era.
func allRows() []row {
	const sdk = "github.com/modelcontextprotocol/go-sdk"
	return []row{
		{name: rowHoldfast, dir: "examples/echo", divisor: 1, sessions: true},
		{name: rowMCPGo, dir: "bench/peers/mcpgo", module: "github.com/mark3labs/mcp-go", divisor: 1, sessions: true},
		{name: "go-sdk", dir: "bench/peers/gosdk", module: sdk, divisor: 2, sessions: true, args: map[era][]string{
			modern: {"-stateless"},
		}},
		{name: "go-sdk-json", dir: "bench/peers/gosdk", module: sdk, divisor: 2, sessions: true, args: map[era][]string{
			legacy: {"-json"},
			modern: {"-stateless", "-json"},
		}},
		{name: rowBare, dir: "bench/peers/nethttp", divisor: 1},
	}
}

// chooseRows returns the rows named in only, a list with commas, or all rows
// when it is empty.
func chooseRows(only string) ([]row, error) {
	rows := allRows()
	if only == "" {
		return rows, nil
	}
	var known []string
	for _, r := range rows {
		known = append(known, r.name)
	}
	wanted := strings.Split(only, ",")
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no row %q; rows are %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(rows, func(r row) bool { return !slices.Contains(wanted, r.name) }), nil
}

// repositoryRoot returns the folder of the main module.
func repositoryRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the main module (run from inside the repository): %w", commandError(err))
	}
	return strings.TrimSpace(string(out)), nil
}

// build compiles the row's server into folder into and returns the binary. It
// builds inside the server's own folder, so that a peer's go.mod counts.
func (r row) build(ctx context.Context, root, into string) (string, error) {
	binary := filepath.Join(into, strings.ReplaceAll(r.dir, "/", "-"))
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, ".")
	cmd.Dir = filepath.Join(root, filepath.FromSlash(r.dir))
	cmd.Env = append(cmd.Environ(), "GOWORK=off")
	if _, err := cmd.Output(); err != nil {
		return "", fmt.Errorf("build %s: %w", r.dir, commandError(err))
	}
	return binary, nil
}

// version returns the version of the row's module as built into binary.
func (r row) version(binary string) string {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return ""
	}
	if r.module == "" {
		return info.GoVersion
	}
	for _, dep := range info.Deps {
		if dep.Path == r.module {
			return dep.Version
		}
	}
	return ""
}

// commandError adds what a command wrote to stderr.
func commandError(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%w: %s", err, excerpt(bytes.TrimSpace(exit.Stderr)))
	}
	return err
}
