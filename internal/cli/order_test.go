// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lines are command lines of every command, each with a flag or argument in one
// item, and what a run of it says. None of them needs a server.
var lines = []struct {
	command string
	words   []string   // subcommand and arguments, whose order counts
	flags   [][]string // each with its value
	code    int
	says    string
}{
	{"serve", nil, [][]string{{"--listen", "nonsense"}, {"--data=DIR"}, {"--stdio=false"}}, 2, "--listen: want host:port"},
	{"serve", []string{"mcp.json"}, [][]string{{"--listen", "127.0.0.1:0"}, {"--data=DIR"}}, 2, "got 1 arguments"},
	{"check", []string{"EXISTS"}, [][]string{{"--strict"}}, 0, ""},
	{"tools", []string{"http://127.0.0.1:1/mcp"}, nil, 1, "cannot reach"},
	{"tools", []string{"http://127.0.0.1:1/mcp", "echo"}, [][]string{{"--timeout", "1m"}, {"--header=A: b"}}, 1, "cannot reach"},
	{"call", []string{"http://127.0.0.1:1/mcp", "echo", "{}"}, nil, 1, "cannot reach"},
	{"call", []string{"http://127.0.0.1:1/mcp", "echo", "{}"}, [][]string{{"--json"}, {"--timeout", "1m"}}, 1, "cannot reach"},
	{"keys", nil, [][]string{{"--data", "DIR"}, {"--json"}}, 1, "no holdfast is running"},
	{"keys", nil, [][]string{{"--data", "DIR"}, {"--keep", "1h"}}, 2, "--keep has no use with keys"},
	{"keys", []string{"rotate"}, [][]string{{"--data", "DIR"}, {"--keep=1h"}}, 1, "no holdfast is running"},
	{"keys", []string{"rotate"}, [][]string{{"--data", "DIR"}, {"--json"}}, 2, "--json has no use with keys rotate"},
	{"keys", []string{"rotat"}, [][]string{{"--data", "DIR"}}, 2, "unknown argument \"rotat\""},
	{"nodes", nil, [][]string{{"--data", "DIR"}, {"--json"}}, 1, "no holdfast is running"},
	{"nodes", []string{"remove", "n2"}, [][]string{{"--data", "DIR"}}, 1, "no holdfast is running"},
	{"nodes", []string{"remove"}, [][]string{{"--data", "DIR"}}, 2, "got 1 arguments"},
	{"nodes", []string{"remove", "n2"}, [][]string{{"--data", "DIR"}, {"--json"}}, 2, "--json has no use with nodes remove"},
	{"init", []string{"EXISTS"}, nil, 1, "exists"},
	{"servers", nil, [][]string{{"--json"}, {"--data", "DIR"}}, 1, "no holdfast is running"},
	{"servers", []string{"x"}, [][]string{{"--data", "DIR"}}, 2, "arguments"},
	{"version", nil, nil, 0, ""},
	{"secret", nil, nil, 0, ""},
}

// TestFlagsStandAnywhere: where among the arguments a flag stands makes no
// difference to any command.
func TestFlagsStandAnywhere(t *testing.T) {
	dir := t.TempDir()
	exists := filepath.Join(dir, "holdfast.yaml")
	if code, _, errs := run(t, "init", exists); code != 0 {
		t.Fatal(errs)
	}
	tested := map[string]bool{}
	for _, l := range lines {
		tested[l.command] = true
		var words [][]string
		for _, w := range l.words {
			words = append(words, []string{w})
		}
		for _, order := range interleaved(words, l.flags) {
			args := slices.Concat(append([][]string{{l.command}}, order...)...)
			for i := range args {
				args[i] = strings.NewReplacer("DIR", dir, "EXISTS", exists).Replace(args[i])
			}
			code, _, errs := run(t, args...)
			if code != l.code || !strings.Contains(errs, l.says) {
				t.Errorf("%q = %d %q, want %d %q", args, code, errs, l.code, l.says)
			}
		}
	}
	for _, c := range commands() {
		if !tested[c.name] {
			t.Errorf("no line of %s is tested", c.name)
		}
	}
}

// interleaved returns every order of the items in which those of each list keep theirs.
func interleaved(a, b [][]string) [][][]string {
	if len(a) == 0 || len(b) == 0 {
		return [][][]string{slices.Concat(a, b)}
	}
	var all [][][]string
	for _, rest := range interleaved(a[1:], b) {
		all = append(all, append([][]string{a[0]}, rest...))
	}
	for _, rest := range interleaved(a, b[1:]) {
		all = append(all, append([][]string{b[0]}, rest...))
	}
	return all
}

// TestArgumentsAfterTwoDashes: what looks like a flag is none there.
func TestArgumentsAfterTwoDashes(t *testing.T) {
	fs := flags("call")
	data := fs.String("data", "", "")
	if err := parse(fs, []string{"a", "--data", "d", "--", "--data", "-x"}, 3, 3); err != nil {
		t.Fatal(err)
	}
	if got := fs.Args(); *data != "d" || !slices.Equal(got, []string{"a", "--data", "-x"}) {
		t.Errorf("data %q, arguments %q", *data, got)
	}
}
