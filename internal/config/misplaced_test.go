// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strings"
	"testing"
)

// TestMisplacedServers: a file whose servers stand under a key that is not read says so.
func TestMisplacedServers(t *testing.T) {
	for file, want := range map[string]string{
		`{"experimental": {"modelContextProtocolServers": {"a": {"command": "x"}}}}`:                                                                            "", // Continue has them there
		`{"preferences": {"servers": {"a": {"url": "http://x.example/mcp"}, "b": {"command": "x"}}}}`:                                                           "preferences.servers: not served: a, b; servers",
		`{"preferences": {"1": {"command":"x"}, "2": {"command":"x"}, "3": {"command":"x"}, "4": {"command":"x"}, "5": {"command":"x"}, "6": {"command":"x"}}}`: "preferences: not served: 1, 2, 3, 4, 5 and 1 more; servers",
		`{"mcpServers": {"a": {"command": "x"}}, "preferences": {"servers": {"b": {"command": "x"}}}}`:                                                          "",
		`{}`: "",
		`{"preferences": {"theme": {"dark": true}}}`: "",
	} {
		c, err := Parse("x.json", []byte(file), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		said := slices.ContainsFunc(c.Notices, func(n string) bool { return strings.Contains(n, "not served") })
		if got := strings.Join(c.Notices, "\n"); said != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%s: notices %s\nwant %s", file, got, want)
		}
	}
}
