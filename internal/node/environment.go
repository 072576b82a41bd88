// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/config"
)

// personal are the variables that tell of the user Holdfast runs as. Servers of
// another user do not inherit them: they would find a home that is shut.
var personal = config.Process{Inherit: []string{
	"HOME", "USER", "LOGNAME", "SHELL", "MAIL", "XDG_*", "TMPDIR", "TMP", "TEMP",
}}

// environment is the allowed part of all, this process's own, with the entry's
// variables on top. A variable that holds the cluster's secret under another
// name is not passed on.
func environment(s *config.Server, all []string, secret string) []string {
	env := s.Process.Environ(all)
	if s.Process.User != "" {
		own := personal.Environ(env)
		env = slices.DeleteFunc(env, func(kv string) bool { return slices.Contains(own, kv) })
	}
	if secret != "" {
		env = slices.DeleteFunc(env, func(kv string) bool { return strings.Contains(kv, secret) })
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		env = append(env, name+"="+string(s.Env[name]))
	}
	return env
}
