// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/loopbacktest"
	"github.com/holdfast-mcp/holdfast/tests/npm"
)

// TestServer runs every server set against the fixture, one subtest per set.
func TestServer(t *testing.T) { testSets(t, serverSets()) }

// TestClient runs every client set against the client program, one subtest per set.
func TestClient(t *testing.T) { testSets(t, clientSets()) }

func testSets(t *testing.T, sets []set) {
	tree := installed(t)
	suite := suite{tree: tree, out: t.TempDir()}
	stop, err := suite.prepare(t.Context(), sets)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	for _, set := range sets {
		t.Run(set.name, func(t *testing.T) {
			t.Parallel()
			result := suite.runSet(t.Context(), set)
			for _, line := range result.faults() {
				t.Error(line)
			}
			t.Logf("%d scenarios, %d pass, %d skipped", len(result.scenarios), result.count(success), result.count(skipped))
		})
	}
}

func installed(t *testing.T) npm.Tree {
	t.Helper()
	if testing.Short() {
		t.Skip("runs programs of npm")
	}
	tree, err := npm.Install()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// listed returns the scenario names that the suite lists under a heading that begins with a word.
func listed(t *testing.T, tree npm.Tree, heading string, args ...string) []string {
	t.Helper()
	script := tree.Path("@modelcontextprotocol/conformance", "dist", "index.js")
	output, err := tree.Command(t.Context(), script, append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("list the scenarios: %v", err)
	}
	var names []string
	inside := false
	for line := range strings.Lines(string(output)) {
		if m := regexp.MustCompile(`^\s+- (\S+)`).FindStringSubmatch(line); m != nil {
			if inside {
				names = append(names, m[1])
			}
			continue
		}
		inside = strings.HasPrefix(line, heading)
	}
	return names
}

// TestSetsAreComplete compares the sets with what the suite has, so that an update of the suite cannot leave out a
// scenario unseen.
func TestSetsAreComplete(t *testing.T) {
	tree := installed(t)
	for _, set := range allSets() {
		version, all := strings.CutPrefix(set.name, "server all @ ")
		if all {
			if n := len(listed(t, tree, "Server", "--spec-version", version)); n != set.want {
				t.Errorf("%s: the suite has %d scenarios, the set expects %d", set.name, n, set.want)
			}
		}
		if set.client {
			want := listed(t, tree, "Client", "--spec-version", set.version)
			want = slices.DeleteFunc(want, func(name string) bool { return strings.HasPrefix(name, "auth/") })
			if got := set.scenarios; !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
				t.Errorf("%s: the set has %q, the suite has %q", set.name, got, want)
			}
		}
	}
	everything := listed(t, tree, "Server")
	for _, family := range []struct{ set, prefix string }{{"server tasks", "tasks-"}, {"server skills", "sep-2640-"}, {"server headers", "http-"}} {
		want := slices.DeleteFunc(slices.Clone(everything), func(name string) bool { return !strings.HasPrefix(name, family.prefix) })
		i := slices.IndexFunc(serverSets(), func(s set) bool { return s.name == family.set })
		got := slices.Clone(serverSets()[i].scenarios)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the set has %q, the suite has %q", family.set, got, want)
		}
	}
}

// TestNothingPassesByDefault runs a set against a client that does nothing and against an address where nobody
// answers: both must be reported as failed.
func TestNothingPassesByDefault(t *testing.T) {
	idle, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	address, err := loopbacktest.FreeLocal()
	if err != nil {
		t.Fatal(err)
	}
	suite := suite{tree: installed(t), out: t.TempDir(), client: idle, url: "http://" + address + "/mcp"}
	for _, set := range []set{clientAt(v20251125, "initialize", "tools_call"), named("server ", serverAll(v20250618, 27))} {
		t.Run(set.name, func(t *testing.T) {
			t.Parallel()
			result := suite.runSet(t.Context(), set)
			failed := slices.DeleteFunc(slices.Clone(result.scenarios), func(s scenarioResult) bool {
				return s.count(failure) == 0 && !s.empty()
			})
			if len(failed) != set.want || allClean([]setResult{result}) {
				t.Errorf("%d of %d scenarios failed: %q", len(failed), set.want, result.faults())
			}
		})
	}
}

// TestReportCounts checks what makes a set unclean.
func TestReportCounts(t *testing.T) {
	with := func(statuses ...string) setResult {
		s := scenarioResult{scenario: "x"}
		for _, status := range statuses {
			s.checks = append(s.checks, check{ID: "id", Status: status})
		}
		return setResult{scenarios: []scenarioResult{s}}
	}
	for name, c := range map[string]struct {
		result setResult
		clean  bool
	}{
		"pass":             {with(success, info), true},
		"skipped":          {with(skipped), true},
		"warning":          {with(success, warning), false},
		"failure":          {with(success, failure), false},
		"only information": {with(info), false},
		"no check":         {with(), false},
		"problem":          {setResult{problems: []string{"x"}}, false},
	} {
		if got := allClean([]setResult{c.result}); got != c.clean {
			t.Errorf("%s: clean is %v", name, got)
		}
	}
}
