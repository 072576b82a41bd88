// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/server"
)

// guarded serves one slow tool to whoever brings a token.
func guarded(t *testing.T) string {
	t.Helper()
	s := server.New("guarded", "1")
	server.AddTool(s, "wait", "Waits.\nFor long.", func(ctx context.Context, _ *server.Request, in struct {
		Seconds int `json:"seconds"`
	}) (string, error) {
		if in.Seconds == 0 {
			return "done", nil
		}
		<-ctx.Done()
		return "", ctx.Err()
	})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { s.Close(); web.Close() })
	return web.URL
}

func TestRemote(t *testing.T) {
	t.Setenv("HOLDFAST_TEST_TOKEN", "s3cret")
	url := guarded(t)
	script := filepath.Join(t.TempDir(), "pid.sh")
	if err := os.WriteFile(script, []byte(pidServer), 0o600); err != nil {
		t.Fatal(err)
	}
	const token = "Authorization: Bearer ${HOLDFAST_TEST_TOKEN}"
	for _, tc := range []struct {
		args []string
		code int
		says []string // on either output
	}{
		{[]string{"tools", url}, 1, []string{"401", "--header 'Authorization: Bearer"}},
		{[]string{"tools", "--header", "Authorization: x", url}, 1, []string{"401"}},
		{[]string{"tools", "--header", token, url}, 0, []string{"wait  Waits.\n"}},
		{[]string{"tools", "--header", token, url, "wait"}, 0, []string{"For long.", "arguments:\n{", `"seconds": {`}},
		{[]string{"tools", "--header", token, "--json", url, "wait"}, 0, []string{`"name": "wait"`, `"inputSchema": {`}},
		{[]string{"tools", "--header", token, url, "want"}, 1, []string{`no tool "want"; holdfast tools without a name lists its 1`}},
		{[]string{"tools", "--header", token, url, "WAI"}, 1, []string{`no tool "WAI"; did you mean "wait"?`}},
		{[]string{"call", "--header", token, url, "wait", `{"seconds": 0}`}, 0, []string{"done"}},
		{[]string{"call", "--header", token, "--timeout", "300ms", url, "wait", `{"seconds": 60}`}, 1, []string{"no answer within 300ms (--timeout)"}},
		{[]string{"tools", "--header", "Authorization", url}, 2, []string{"want NAME: VALUE"}},
		{[]string{"tools", "--header", "A: ${NOT_SET_ANYWHERE}", url}, 2, []string{"${NOT_SET_ANYWHERE} is not set"}},
		{[]string{"tools", "--timeout", "-1s", url}, 2, []string{"--timeout: want a duration"}},
		{[]string{"tools", "--", "sh", script}, 0, []string{"pid     The process id"}},
		{[]string{"tools", "pid", "--", "sh", script}, 0, []string{"arguments:"}},
		{[]string{"call", "pid", "--json", "--", "sh", script}, 0, []string{`"type":"text"`}},
		{[]string{"call", "pid", "--", "sh", script, "-x"}, 0, nil},
		{[]string{"call", "--", "sh", script}, 2, []string{"got 0 arguments"}},
		{[]string{"tools", "--header", token, "--", "sh", script}, 2, []string{"--header has no use with a command"}},
		{[]string{"tools", "--", "no-such-program"}, 1, []string{"cannot reach no-such-program"}},
		{[]string{"tools", "ws://127.0.0.1:1/ws"}, 1, []string{"cannot reach ws://"}},
		{[]string{"call", "--header", token, url, "--", "--wait"}, 1, []string{"--wait"}},
		{[]string{"call", "--header", token, "--", url, "wait", `{"seconds": 0}`}, 0, []string{"done"}},
	} {
		code, out, errs := run(t, tc.args...)
		if code != tc.code {
			t.Errorf("%q ended with %d, want %d: %s%s", tc.args, code, tc.code, out, errs)
		}
		for _, want := range tc.says {
			if !strings.Contains(out+errs, want) {
				t.Errorf("%q printed %q and %q, want %q", tc.args, out, errs, want)
			}
		}
	}
}

// TestHelp: each command explains itself and each of its flags, on standard output.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}} {
		code, out, errs := run(t, args...)
		if code != 0 || errs != "" {
			t.Errorf("%q: %d, %s", args, code, errs)
		}
		for _, c := range commands() {
			if !strings.Contains(out, "holdfast "+c.name) {
				t.Errorf("%q does not name %s", args, c.name)
			}
		}
	}
	named := regexp.MustCompile(`--([a-z-]+)`)
	unexplained := regexp.MustCompile(`(?m)^  --.*\n *$`)
	for _, c := range commands() {
		code, out, errs := run(t, c.name, "--help")
		if code != 0 || errs != "" || !strings.Contains(out, "usage:\n  holdfast "+c.name) {
			t.Errorf("%s: %d, %q, %q", c.name, code, out, errs)
		}
		for _, flag := range named.FindAllStringSubmatch(c.args, -1) {
			if !strings.Contains(out, "\n  --"+flag[1]) {
				t.Errorf("%s --help does not explain %s:\n%s", c.name, flag[0], out)
			}
		}
		if bare := unexplained.FindString(out); bare != "" {
			t.Errorf("%s --help has no word on%s", c.name, bare)
		}
		if code, other, _ := run(t, "help", c.name); code != 0 || other != out {
			t.Errorf("help %s is not %s --help: %d, %q", c.name, c.name, code, other)
		}
	}
}
