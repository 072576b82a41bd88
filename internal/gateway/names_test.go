// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"
	"testing"
)

func TestPublicName(t *testing.T) {
	for _, tc := range []struct{ server, own, want string }{
		{"files", "read_file", "files__read_file"},
		{"a.b-c", "X9", "a.b-c__X9"},
		{"my server", "read", "my_server__read_"},
		{"s", strings.Repeat("t", 100), "s__ttt"},
	} {
		got := publicName(tc.server, tc.own)
		if !strings.HasPrefix(got, tc.want) || len(got) > maxName {
			t.Errorf("publicName(%q, %q) = %q (%d characters), want %q…", tc.server, tc.own, got, len(got), tc.want)
		}
		if again := publicName(tc.server, tc.own); again != got {
			t.Errorf("publicName(%q, %q) = %q, then %q", tc.server, tc.own, got, again)
		}
	}
}

func TestPublicNamesStayDistinct(t *testing.T) {
	long := strings.Repeat("x", 80)
	seen := map[string]string{}
	for _, p := range [][2]string{{"a", long}, {"a", long + "y"}, {"a b", "c"}, {"a_b", "c"}, {"a/b", "c"}, {"a", "b c"}, {"a", "b_c"}} {
		name := publicName(p[0], p[1])
		if other, taken := seen[name]; taken {
			t.Errorf("%q and %q are both %q", other, p, name)
		}
		seen[name] = p[0] + " " + p[1]
	}
}
