// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command client is the program that the official conformance suite runs in its
// client mode: it does with the client package what each scenario asks for,
// against the suite's server, whose URL is its argument.
//
// The scenario is named by MCP_CONFORMANCE_SCENARIO, the version to speak by
// MCP_CONFORMANCE_PROTOCOL_VERSION, and what else the scenario tells by
// MCP_CONFORMANCE_CONTEXT. It exits with 0 when everything went as the protocol
// demands.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// limit is below the suite's own of 30 seconds, so that a hang shows as an error.
const limit = 20 * time.Second

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: client <server url>")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	scenario := os.Getenv("MCP_CONFORMANCE_SCENARIO")
	if err := run(ctx, scenario, os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "scenario %q: %v\n", scenario, err)
		os.Exit(1)
	}
}

// run connects, plays the scenario and closes the client.
func run(ctx context.Context, scenario, url string) error {
	play, ok := scenarios[scenario]
	if !ok {
		return fmt.Errorf("this program does not know the scenario")
	}
	version := mcp.Version(os.Getenv("MCP_CONFORMANCE_PROTOCOL_VERSION"))
	opts := []client.Option{
		client.Info(mcp.Implementation{Name: "holdfast-conformance", Version: "1.0.0"}),
		client.Logger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		client.RememberIn(nil),
	}
	if version != "" {
		opts = append(opts, client.ForceVersion(version))
	}
	c, err := client.Connect(ctx, client.HTTP(url), append(opts, play.options...)...)
	if err != nil {
		return err
	}
	if err := play.run(ctx, c); err != nil {
		c.Close()
		return err
	}
	return c.Close()
}
