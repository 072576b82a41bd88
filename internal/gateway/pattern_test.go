// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// TestCompiles compares with what new RegExp(pattern, "u") of Node.js 22 says.
func TestCompiles(t *testing.T) {
	for pattern, want := range map[string]bool{
		``: true, `^[a-z]+$`: true, `^\d{4}-\d{2}(?:-\d{2})?$`: true, `a|b|`: true, `(?=x)(?!y)(?<=z)(?<!w).`: true,
		`(?<year>\d+)-\k<year>\1`: true, `[\w.\-]+@[^\s\]]`: true, `[a-]`: true, `\p{L}\P{Lu}\p{Script=Greek}`: true, `\u{1F600}\x41\cA\0`: true,
		`a{2,3}?b*+`: false, `a{3,2}`: false, `(`: false, `)`: false, `a{`: false, `]`: false, `}`: false, `[`: false, `*`: false, `(?:?)`: false,
		`(?P<y>\d)`: false, `(?i)x`: false, `\A\d\Z`: false, `\-`: false, `\_`: false, `\@`: false, `[\w-a]`: false, `[a-\d]`: false, `\2(a)`: false,
		`(?=x)*`: false, `^*`: false, `\p{Nope}`: false, `\pL`: false, `\Qa\E`: false, `\x4`: false, `\08`: false, `(?#c)`: false, `(?>a)`: false, `a++`: false,
		`[é-ü😀]`: true, `é{2}`: true, `[[:alpha:]]`: false, `x\`: false, `[b-a]`: false, `[\x62-\x61]`: false, `[\t-\n]`: true, `\(\1`: false, `[(]\1`: false, `(a)[(]\1`: true, `\k<n>`: false, `(?<n>a)(?<n>b)`: false, `\k<n>(?<n>a)`: true,
	} {
		if got := compiles(jsonrpc.AppendString(nil, pattern)); got != want {
			t.Errorf("compiles(%q) = %t", pattern, got)
		}
	}
	if compiles(jsonrpc.AppendString(nil, strings.Repeat("(", 200)+strings.Repeat(")", 200))) {
		t.Error("groups without bound")
	}
}
