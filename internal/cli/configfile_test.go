// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/client"
)

// TestEntryWithAMistake: a server whose entry has a mistake is down, for a reason
// that its callers hear, and the others serve.
func TestEntryWithAMistake(t *testing.T) {
	path := gatewayConfig(t, `, env: {KEY: "${NOT_SET_ANYWHERE}"}`, "")
	const reason = "env.KEY: variable NOT_SET_ANYWHERE is not set"
	s := startServing(t, "--config", path)
	if names := toolNames(t, connectTo(t, client.HTTP(s.url))); !slices.Equal(names, []string{"b__hidden", "b__pid"}) {
		t.Errorf("tools %q", names)
	}
	_, err := client.Connect(t.Context(), client.HTTP(s.base()+"/servers/a/mcp"))
	if err == nil || !strings.Contains(err.Error(), `server "a" cannot be used: `+reason) {
		t.Errorf("its caller hears %v", err)
	}
	if errs := s.errs.String(); !strings.Contains(errs, path+":2") || !strings.Contains(errs, "level=ERROR") || !strings.Contains(errs, reason) {
		t.Errorf("the log does not say what is wrong and where: %s", errs)
	}
	for _, args := range [][]string{{"serve", "--strict", "--listen", "127.0.0.1:0", "--config", path}, {"check", "--strict", path}} {
		if code, _, errs := run(t, args...); code != 2 || !strings.Contains(errs, reason) {
			t.Errorf("%q: %d, %s", args, code, errs)
		}
	}
}

func TestCheck(t *testing.T) {
	path := gatewayConfig(t, `, env: {KEY: "${NOT_SET_ANYWHERE}"}`, "  c: {url: \"https://user:s3cret@h.example/mcp?key=s3cret\"}\n  d: {command: x, disabled: true}\n  e: {command: \"sh -c true\"}\n")
	code, out, errs := run(t, "check", path)
	if code != 2 || !strings.Contains(errs, path+":2: mcpServers.a.env.KEY: variable NOT_SET_ANYWHERE is not set") {
		t.Errorf("%d: %s", code, errs)
	}
	var rows [][]string
	for line := range strings.Lines(out) {
		rows = append(rows, strings.Fields(line))
	}
	for i, want := range [][]string{
		{"SERVER"}, {"a", "-", "cannot", "be", "used", "env.KEY:"}, {"b", "stdio", "ok", "sh"},
		{"c", "auto", "ok", "https://h.example/mcp"}, {"d", "stdio", "disabled"},
		{"e", "stdio", "cannot", "start", "here"},
	} {
		if i >= len(rows) || len(rows[i]) < len(want) || !slices.Equal(rows[i][:len(want)], want) {
			t.Errorf("row %d is not %q:\n%s", i, want, out)
		}
	}
	if code, out, _ := run(t, "check", gatewayConfig(t, "", "")); code != 0 || !strings.Contains(out, "ok") {
		t.Errorf("a good file: %d, %s", code, out)
	}
}

func TestFileIsFound(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if code, _, errs := run(t, "check"); code != 2 || !strings.Contains(errs, "no file is named") {
		t.Errorf("an empty directory: %d, %s", code, errs)
	}
	write := func(name, server string) {
		t.Helper()
		if err := os.WriteFile(name, fmt.Appendf(nil, `{"mcpServers": {"%s": {"command": "x"}}}`, server), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("mcp.json", "one")
	if code, out, _ := run(t, "check"); code != 0 || !strings.Contains(out, "one") {
		t.Errorf("mcp.json: %d, %s", code, out)
	}
	if got := servedFrom(t); got != "no tools of one" {
		t.Errorf("serve --stdio: %s", got)
	}
	write("holdfast.yaml", "two")
	code, out, errs := run(t, "check")
	if code != 0 || !strings.Contains(out, "two") || !strings.Contains(errs, "holdfast.yaml is read, and mcp.json beside it is not") {
		t.Errorf("both: %d, %s%s", code, out, errs)
	}
	if err := os.Chmod(dir, 0o777); err != nil { // anybody could put a file there
		t.Fatal(err)
	}
	if code, _, errs := run(t, "check"); code != 1 || !strings.Contains(errs, "not trusted") || !strings.Contains(errs, "--config") {
		t.Errorf("a directory of everybody: %d, %s", code, errs)
	}
	if code, _, errs := run(t, "check", filepath.Join(dir, "mcp.json")); code != 0 {
		t.Errorf("a file that is named: %d, %s", code, errs)
	}
}

// servedFrom says whether serve --stdio serves a file that nobody named, which could
// name that command and so start itself without end.
func servedFrom(t *testing.T) string {
	t.Helper()
	var out, errs output
	in := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}` + "\n")
	Run(t.Context(), &Env{In: io.NopCloser(in), Out: &out, Err: &errs, Getenv: os.LookupEnv}, []string{"serve", "--stdio", "--data", t.TempDir()})
	if strings.Contains(out.String()+errs.String(), "one") {
		return out.String() + errs.String()
	}
	return "no tools of one"
}

func TestFileFromInput(t *testing.T) {
	var out, errs output
	env := &Env{In: io.NopCloser(strings.NewReader(`{"mcpServers": {"a": {"command": "x"}}}`)), Out: &out, Err: &errs, Getenv: os.LookupEnv}
	if code := Run(t.Context(), env, []string{"check", "-"}); code != 0 || !strings.Contains(out.String(), "a ") {
		t.Errorf("%d: %s%s", code, out.String(), errs.String())
	}
	for _, tc := range []struct {
		args []string
		says string
	}{
		{[]string{"serve", "--stdio", "--config", "-"}, "standard input"},
		{[]string{"serve", "--config", "a", "--config", "b"}, "given twice"},
		{[]string{"check", "-"}, "standard input: the file is empty"},
	} {
		if code, _, errs := run(t, tc.args...); code != 2 || !strings.Contains(errs, tc.says) {
			t.Errorf("%q: %d, %s", tc.args, code, errs)
		}
	}
}
