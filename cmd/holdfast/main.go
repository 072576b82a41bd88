// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command holdfast puts any MCP servers behind one URL.
package main

import (
	"os"

	"github.com/holdfast-mcp/holdfast/internal/cli"
)

func main() { os.Exit(cli.Main()) }
