// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/process"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// TestDescribe holds that an operator reads in one line why a server cannot be used.
func TestDescribe(t *testing.T) {
	exit := fmt.Errorf("connect: initialize: the connection to the server has ended: %w", &process.ExitError{Code: 1})
	died := func(lines string) error { return &lastWordsError{exit, strings.Split(lines, "\n")} }
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"nothing but text", errors.New("no such program"), "no such program"},
		{"without the steps", errors.New("connect: server/discover: POST http://x.example/mcp: connection refused"), "POST http://x.example/mcp: connection refused"},
		{"a code that says nothing", fmt.Errorf("initialize: %w", jsonrpc.PeerError(jsonrpc.CodeInternal, "API key is required", nil)), "API key is required"},
		{"a code that says something", jsonrpc.PeerError(-32000, "no key", nil), "no key (code -32000)"},
		{"made here", jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "not offered"), "not offered"},
		{"not started", errors.New(`not started: start server "x": command "y": executable file not found in $PATH`), `command "y": executable file not found in $PATH`},
		{"what clients are not told", jsonrpc.Errorf(jsonrpc.CodeInternal, "server %q: %w", "x", &told{"it exited (reference A)", died("Error: API key is required")}),
			"exited with code 1: Error: API key is required"},
		{"behind a refusal", &told{"it exited (next attempt in 1s)", &told{"it exited", died("BRAVE_API_KEY environment variable is required")}},
			"exited with code 1: BRAVE_API_KEY environment variable is required"},
		{"told, with nothing behind", &told{text: "no answer after 10s"}, "no answer after 10s"},
		{"a stack of Node.js", died("/x/index.js:12\n    throw new Error('no key');\n    ^\n\nError: STRIPE_KEY missing\n    at Object.<anonymous> (/x/index.js:12:9)\n    at node:internal/main:5\n\nNode.js v20.20.0"),
			"exited with code 1: Error: STRIPE_KEY missing"},
		{"a traceback of Python", died("Traceback (most recent call last):\n  File \"/x.py\", line 3, in <module>\n    import nothing\nModuleNotFoundError: No module named 'nothing'"),
			"exited with code 1: ModuleNotFoundError: No module named 'nothing'"},
		{"npm's epilogue", died("npm error code E404\nnpm error 404 Not Found - GET https://r.example/no-such - Not found\nnpm error A complete log of this run can be found in: /x.log"),
			"exited with code 1: npm error 404 Not Found - GET https://r.example/no-such - Not found"},
		{"cause and consequence", died("Error: connect ECONNREFUSED 127.0.0.1:6379\nFailed to start server"), "exited with code 1: Error: connect ECONNREFUSED 127.0.0.1:6379"},
		{"no complaint", died("starting\nbye"), "exited with code 1: bye"},
		{"control characters", died("Error: \x1b[31mred"), `exited with code 1: Error: \x1b[31mred`},
		{"too slow", &lastWordsError{&slowStartError{after: time.Minute, quiet: time.Minute, limit: time.Minute, next: 2 * time.Minute}, []string{"waiting"}},
			"not ready after 1m0s, so it was stopped: startTimeout is 1m0s now, and 2m0s at the next try: waiting"},
	} {
		if got := Describe(tc.err); got != tc.want {
			t.Errorf("%s:\n got  %s\n want %s", tc.name, got, tc.want)
		}
	}
	if got := Describe(died("Error: " + strings.Repeat("x", 5000))); len(got) > maxDescription+10 {
		t.Errorf("%d bytes", len(got))
	}
}
