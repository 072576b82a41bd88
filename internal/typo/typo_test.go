// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package typo

import "testing"

// TestDistance compares the bounded rows with the definition.
func TestDistance(t *testing.T) {
	words := []string{"", "a", "ab", "ba", "abc", "acb", "bca", "command", "comand", "commnad", "mcpservers"}
	for _, a := range words {
		for _, b := range words {
			if got, want := Distance(a, b, 100), slowDistance(a, b); got != want {
				t.Errorf("Distance(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func slowDistance(a, b string) int {
	if len(a) == 0 || len(b) == 0 {
		return len(a) + len(b)
	}
	memo := make(map[[2]int]int)
	var d func(i, j int) int
	d = func(i, j int) int {
		if i == 0 || j == 0 {
			return i + j
		}
		if v, ok := memo[[2]int{i, j}]; ok {
			return v
		}
		v := min(d(i-1, j)+1, d(i, j-1)+1)
		if a[i-1] == b[j-1] {
			v = min(v, d(i-1, j-1))
		} else {
			v = min(v, d(i-1, j-1)+1)
		}
		if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
			v = min(v, d(i-2, j-2)+1)
		}
		memo[[2]int{i, j}] = v
		return v
	}
	return d(len(a), len(b))
}
