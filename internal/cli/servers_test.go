// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/control"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// mixedConfig is a file with servers of every state: a and b are up.
func mixedConfig(t *testing.T) string {
	t.Helper()
	return gatewayConfig(t, "", `
  hangs: {command: sleep, args: ["1000"], startTimeout: 1h}
  keyless: {command: sh, args: [-c, "echo 'Error: API key is required' >&2; exit 1"]}
  off: {command: nothing, disabled: true}
`)
}

// TestServers: an operator sees of each server how it is and why, and the log has one
// line for each and a summary, without what servers wrote.
func TestServers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := t.TempDir()
	s := startServing(t, "--config", mixedConfig(t), "--data", dir)
	c := connectTo(t, client.HTTP(s.url)) // though one hangs
	if got := strings.Join(toolNames(t, c), " "); !strings.Contains(got, "a__pid") || !strings.Contains(got, "b__pid") {
		t.Errorf("tools %s", got)
	}
	var list []control.MCPServer
	poll(t, "the states", func() bool {
		list = asked[[]control.MCPServer](t, "servers", "--json", "--data", dir)
		return len(list) == 5 && list[0].State == "up" && list[1].State == "up" && list[3].State == "down"
	})
	for i := range list {
		if list[i].State != "disabled" && list[i].Since.IsZero() {
			t.Errorf("%s is %s since when?", list[i].Name, list[i].State)
		}
		list[i].Since, list[i].Next = time.Time{}, time.Time{}
	}
	want := []control.MCPServer{
		{Name: "a", State: "up", Tools: 2, Stderr: []string{}}, {Name: "b", State: "up", Tools: 2, Stderr: []string{}},
		{Name: "hangs", State: "starting", Stderr: []string{}},
		{Name: "keyless", State: "down", Reason: "exited with code 1: Error: API key is required", Stderr: []string{"Error: API key is required"}},
		{Name: "off", State: "disabled", Stderr: []string{}},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
	code, out, errs := run(t, "servers", "--data", dir)
	for _, want := range []string{"hangs ", "starting ", "keyless ", "exited with code 1: Error: API key is required\n", "keyless wrote last:\n  Error: API key is required\n"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("servers = %d %q, without %q; %s", code, out, want, errs)
		}
	}
	time.Sleep(4 * time.Second) // it waits for what is starting
	poll(t, "the summary", func() bool {
		return strings.Contains(s.errs.String(), "2 servers up, 1 starting: hangs, 1 down: keyless (exited with code 1: Error: API key is required); 4 tools")
	})
	log := s.errs.String()
	for line, times := range map[string]int{
		`msg="server available" server=a tools=2`: 1, `msg="server unavailable" server=keyless`: 1, "server stderr": 0, "msg=call ": 0,
	} {
		if n := strings.Count(log, line); n != times {
			t.Errorf("%q was logged %d times, want %d:\n%s", line, n, times, log)
		}
	}
}

// TestPrintServers is what an operator sees of the servers.
func TestPrintServers(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name string
		all  []control.MCPServer
		want string
	}{
		{"none", nil, "\nno servers are configured; name a file that has some under mcpServers with holdfast serve --config\n"},
		{"of every state", []control.MCPServer{
			{Name: "files", State: "up", Since: now.Add(-3 * time.Hour), Tools: 14, Stderr: []string{"hidden"}},
			{Name: "slow", State: "starting", Since: now.Add(-40 * time.Second), Stderr: []string{"npm warn\x1b[2J"}},
			{Name: "search", State: "down", Since: now.Add(-90 * time.Minute), Reason: "exited with code 1: no\nkey", Tools: 3, Next: now.Add(1500 * time.Millisecond)},
			{Name: "off", State: "disabled"},
			{Name: "odd", State: "up", Since: now.Add(-time.Minute), Tools: 1, Faults: oddFaults(13)},
		}, `
SERVER  STATE     FOR    TOOLS  NEXT TRY  REASON
files   up        3h0m   14     -         
slow    starting  40s    0      -         
search  down      1h30m  3      in 2s     exited with code 1: no\x0akey
off     disabled  -      0      -         
odd     up        1m     1      -         

odd lists what is not right, which was repaired or left out:
  tools: entry without a name dropped
  tools: t\u202e: members repaired members=[title]
  prompts: p2: ` + strings.Repeat("x", 187) + `…
  tools: 3: odd
  tools: 4: odd
  tools: 5: odd
  tools: 6: odd
  tools: 7: odd
  tools: 8: odd
  tools: 9: odd
  and 3 more; --json has them

slow wrote last:
  npm warn\x1b[2J
`},
	} {
		var b strings.Builder
		if err := printServers(&b, tc.all, now); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want[1:], b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// oddFaults is n faults of lists.
func oddFaults(n int) []control.Fault {
	all := []control.Fault{
		{List: "tools", What: "entry without a name dropped"}, {List: "tools", Entry: "t\u202e", What: "members repaired members=[title]"},
		{List: "prompts", Entry: "p2", What: strings.Repeat("x", 1000)},
	}
	for i := len(all); i < n; i++ {
		all = append(all, control.Fault{List: "tools", Entry: fmt.Sprint(i), What: "odd"})
	}
	return all
}

// TestServersSayWhatIsWrong: with a server's entry, with its lists, and what to do; and a
// list of tools says whose are missing.
func TestServersSayWhatIsWrong(t *testing.T) {
	dir, script := t.TempDir(), filepath.Join(t.TempDir(), "odd.sh")
	odd := strings.Replace(pidServer, `{"name":"hidden","description":"Not for all"`, `{"description":"no name"`, 1)
	if err := os.WriteFile(script, []byte(odd), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServing(t, "--data", dir, "--config", gatewayConfig(t, "", `
  absent: {command: no-such-command}
  unset: {command: sh, env: {KEY: "${HOLDFAST_TEST_UNSET}"}}
  slow: {command: sleep, args: ["1000"], startTimeout: 1h}
  odd: {command: sh, args: [`+script+`]}
`))
	_, out, errs := run(t, "tools", s.url)
	if !strings.Contains(out, "a__pid") || !strings.Contains(errs, `the tools of server "slow" are missing: it `) || !strings.Contains(errs, `server "unset"`) {
		t.Errorf("tools printed %q, and %q", out, errs)
	}
	poll(t, "the states", func() bool {
		_, out, errs = run(t, "servers", "--data", dir)
		return regexp.MustCompile(`(?m)^odd +up `).MatchString(out)
	})
	for _, want := range []string{
		`command "no-such-command": executable file not found in $PATH; install it, or name it by its whole path (PATH is `,
		"HOLDFAST_TEST_UNSET", "; correct the server's entry, then start holdfast again\n",
		"\nodd lists what is not right, which was repaired or left out:\n  tools: entry without a name dropped\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("servers says nothing of %q: %s %s", want, out, errs)
		}
	}
	if strings.Contains(out, "(code ") {
		t.Errorf("servers names codes: %s", out)
	}
}

// TestLogFlags: the log has the level and the form that it is asked for.
func TestLogFlags(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := t.TempDir()
	s := startServing(t, "--config", mixedConfig(t), "--data", dir, "--log-level", "debug", "--log-format", "json")
	c := connectTo(t, client.HTTP(s.url), client.ForceEra(mcp.Legacy), client.Info(mcp.Implementation{Name: "tester", Version: "1"}))
	textOf(t, c, "a__pid")
	found := map[string]bool{}
	poll(t, "the lines", func() bool {
		for text := range strings.Lines(s.errs.String()) {
			var line struct{ Level, Msg, Server, Line, Endpoint, Method, Target, Client, Outcome string }
			if err := json.Unmarshal([]byte(text), &line, json.MatchCaseInsensitiveNames(true)); err != nil {
				t.Fatalf("not JSON: %s", text)
			}
			found[fmt.Sprint(line)] = true
		}
		return found["{DEBUG server stderr keyless Error: API key is required     }"] &&
			found["{DEBUG call   /mcp tools/call a__pid tester answered}"] && found["{DEBUG call   /mcp server/discover  tester answered}"]
	})
	quiet := startServing(t, "--config", mixedConfig(t), "--log-level", "error")
	connectTo(t, client.HTTP(quiet.url))
	if log := quiet.errs.String(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=INFO") {
		t.Errorf("at level error: %s", log)
	}
	for _, args := range [][]string{{"--log-level", "loud"}, {"--log-format", "xml"}} {
		code, _, errs := run(t, append([]string{"serve"}, args...)...)
		if code != 2 || !strings.Contains(errs, args[0]+": want ") || !strings.Contains(errs, args[1]) {
			t.Errorf("%v = %d %q", args, code, errs)
		}
	}
}

// TestNothingToServe: a file without a server to serve says so.
func TestNothingToServe(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: "none under mcpServers", `{"mcpServers": {}}`: "none under mcpServers",
		`{"mcpServers": {"a": {"command": "x", "disabled": true}}}`: "all are disabled",
		`{"experimental": {"servers": {"a": {"command": "x"}}}}`:    "servers belong under mcpServers",
		`{"mcpServers": {"a": {"command": "true"}}}`:                "",
	} {
		path := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := startServing(t, "--config", path)
		if log := s.errs.String(); strings.Contains(log, "no servers to serve") != (want != "") || !strings.Contains(log, want) {
			t.Errorf("%s: want %q, log: %s", text, want, log)
		}
	}
}
