// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/config"
)

// checkSecret refuses servers that would be given the cluster's secret, by
// whatever way it got into their entries: who knows it is a node.
func checkSecret(servers []config.Server, secret string) error {
	if secret == "" {
		return nil
	}
	for _, s := range servers {
		if where := holds(&s, secret); where != "" && !s.Disabled {
			return fmt.Errorf("server %q: %s holds the cluster's secret, with which the server would be a node; take it out", s.Name, where)
		}
	}
	return nil
}

// holds names the part of an entry that the secret is in; empty if there is none.
func holds(s *config.Server, secret string) string {
	for _, part := range []struct{ name, value string }{{"command", s.Command}, {"cwd", s.Cwd}, {"url", s.URL}} {
		if strings.Contains(part.value, secret) {
			return part.name
		}
	}
	for i, arg := range s.Args {
		if strings.Contains(arg, secret) {
			return fmt.Sprintf("args[%d]", i)
		}
	}
	for _, group := range []struct {
		name string
		set  map[string]config.Secret
	}{{"env", s.Env}, {"headers", s.Headers}} {
		for _, name := range slices.Sorted(maps.Keys(group.set)) {
			if strings.Contains(string(group.set[name]), secret) {
				return group.name + "." + name
			}
		}
	}
	return ""
}
