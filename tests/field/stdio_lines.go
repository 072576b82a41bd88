// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

import "strings"

// lines are servers that write more to stdout than messages. It must be in Holdfast's log and cost nothing.
func lines() []Variant {
	noisy := func(name string, lines ...string) Variant {
		return Variant{Name: name, Server: Server{Start: lines, OnList: lines, OnCall: lines}}
	}
	logged := func(v Variant, text string) Variant { v.Logged = text; return v }
	return []Variant{
		logged(noisy("bracket", "[INFO] starting"), "[INFO] starting"),
		logged(noisy("brace", "{starting}"), "{starting}"),
		logged(noisy("words", "Server running on stdio"), "Server running on stdio"),
		logged(noisy("json_log", `{"level":30,"msg":"starting"}`), "starting"),
		logged(noisy("json_log_id", `{"level":30,"id":1,"msg":"starting"}`, `{"level":30,"id":2,"msg":"on"}`, `{"id":3,"msg":"and on"}`), "starting"),
		noisy("json_values", `"text"`, `42`, `null`, `true`, `[]`, `{}`, `[1,2,3]`, `[{"a":1}]`, `[null]`),
		noisy("json_over_lines", "{", `  "level": "info",`, `  "tags": [`, `    "a"`, "  ]", "}"),
		noisy("inspected", "{ jsonrpc: '2.0', id: 1, method: 'tools/call' }", "Map(1) { 'a' => 1 }", "[Function: f]", "[ 'a', 'b' ]"),
		logged(noisy("ansi", "\x1b[32m✔\x1b[39m ready", "\x1b[2K\x1b[1G"), "ready"),
		noisy("binary", "\x00\x01\xff\xfe", "\xef\xbb\xbf", "\x7f"),
		noisy("blank", "", "   ", "\t", "\r"),
		noisy("long", strings.Repeat("x", 1<<20), "{"+strings.Repeat("y", 1<<20)),
		noisy("trace", "Traceback (most recent call last):", `  File "server.py", line 1, in <module>`, "KeyError: 'a'"),
		noisy("progress", "npm warn deprecated a@1.0.0", "\rdownloading 1%\rdownloading 2%", "added 1 package in 2s"),
		noisy("other_rpc", `{"jsonrpc":"2.0","method":"log","params":["starting"]}`, `{"jsonrpc":"1.0","method":"log"}`, `{"method":"log"}`),
		noisy("no_answer_of_ours", `{"jsonrpc":"2.0","id":"none","result":{}}`),
		noisy("banner", strings.Split(strings.Repeat("step\n", 200), "\n")...),
		noisy("braces", strings.Split(strings.Repeat("{step}\n", 200), "\n")...),
		noisy("flood", strings.Split(strings.Repeat(strings.Repeat("z", 200)+"\n", 5000), "\n")...),
		{Name: "framed", Server: Server{Prefix: "Content-Length: 100\r\n\r\n"}},
		{Name: "echoed", Server: Server{Echo: true}},
	}
}
