// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"path"
	"slices"
	"strings"
	"time"
)

// Default times for an instance to start and to be greeted.
const (
	defaultStart   = 30 * time.Second // at a URL, where nothing is started
	commandStart   = time.Minute
	installerStart = 5 * time.Minute
)

// installers are programs that fetch what they run before they run it, when it is not
// there yet. Those with subcommands do so in the ones named.
var installers = map[string][]string{
	"npx": nil, "bunx": nil, "pnpx": nil, "uvx": nil, "dnx": nil,
	"npm": {"exec", "x", "run", "start"}, "pnpm": {"dlx", "exec"}, "yarn": {"dlx"}, "bun": {"x", "run"},
	"uv": {"run", "tool", "x"}, "pipx": {"run"}, "deno": {"run"}, "go": {"run"}, "cargo": {"run"}, "dotnet": {"run", "tool", "dnx"},
	"nix": {"run", "shell"}, "jbang": nil,
	"docker": {"run", "compose", "mcp", "container"}, "podman": {"run", "container"}, "nerdctl": {"run"}, "finch": {"run"},
}

// wrappers start the program that is named after them.
var wrappers = []string{"cmd", "env", "sudo", "nice", "time", "mise", "exec", "corepack", "/c", "--"}

// StartTimeout returns how long an instance may take to start: startTimeout, or else
// what its command is likely to need the first time.
func (s *Server) StartTimeout() time.Duration {
	switch {
	case s.startGiven || s.Transport != Stdio:
		return s.Pool.Start
	case s.Installs():
		return installerStart
	}
	return commandStart
}

// Installs reports whether the command may fetch the server first, as npx does.
func (s *Server) Installs() bool {
	return s.Transport == Stdio && installs(append([]string{s.Command}, s.Args...))
}

// installs reports whether a command line may fetch a program first.
func installs(words []string) bool {
	for i, word := range words {
		program := strings.ToLower(path.Base(strings.ReplaceAll(word, `\`, "/")))
		for _, ending := range []string{".exe", ".cmd", ".bat", ".ps1"} {
			program = strings.TrimSuffix(program, ending)
		}
		subcommands, known := installers[program]
		switch {
		case known:
			return subcommands == nil || slices.ContainsFunc(words[i+1:], func(w string) bool { return slices.Contains(subcommands, w) })
		case strings.Contains(word, "=") || slices.Contains(wrappers, program) || slices.Contains(wrappers, word):
		default:
			return false
		}
	}
	return false
}
