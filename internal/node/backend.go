// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/internal/process"
)

// newBackend makes the backend of one configured server.
func newBackend(keeper *process.Keeper, s *config.Server, timeout time.Duration, log *slog.Logger, events backend.Events) backend.Backend {
	if s.Timeout > 0 {
		timeout = s.Timeout
	}
	return backend.New(backend.Config{Name: s.Name, Dial: dialer(keeper, s), CallTimeout: timeout, Log: log}, events)
}

func dialer(keeper *process.Keeper, s *config.Server) backend.Dialer {
	if s.Transport == config.Stdio {
		return backend.Command(keeper, process.Spec{
			Name: s.Name, Command: s.Command, Args: s.Args, Dir: s.Cwd, Env: environment(s),
		})
	}
	var headers []string
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		headers = append(headers, name, string(s.Headers[name]))
	}
	return backend.URL(s.URL, headers, s.Transport == config.SSE)
}

// environment is this process's, with the entry's own variables on top.
func environment(s *config.Server) []string {
	env := os.Environ()
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		env = append(env, name+"="+string(s.Env[name]))
	}
	return env
}
