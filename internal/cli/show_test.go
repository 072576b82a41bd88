// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// hostile is everything that a terminal obeys or a reader does not see.
const hostile = "\x1b]0;PWN\x07\x1b]52;c;cm0gLXJmIH4=\x07\x1b[2J\u009b31m\u0090q\u009c\r\b\x7f\u202egnp.exe\u2066\u200b\u00ad\ufeff\u2028\U000e0041"

// shown is how it looks.
const shown = `\x1b]0;PWN\x07\x1b]52;c;cm0gLXJmIH4=\x07\x1b[2J\u009b31m\u0090q\u009c\x0d\x08\x7f\u202egnp.exe\u2066\u200b\u00ad\ufeff\u2028\U000e0041`

// hostileServer is a modern server that says it wherever it can.
func hostileServer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m, err := jsonrpc.Decode(body, jsonrpc.DefaultLimits())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	quoted := string(jsonrpc.AppendString(nil, hostile))
	rename := func(text string) string { return strings.ReplaceAll(text, `"EVIL"`, quoted) }
	answer := func(result string) string {
		return rename(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID.Raw(), result))
	}
	w.Header().Set("Content-Type", "application/json")
	switch m.Method {
	case mcp.MethodDiscover:
		fmt.Fprint(w, answer(fmt.Sprintf(`{"supportedVersions":[%q],"capabilities":{"tools":{},"logging":{}},"resultType":"complete","ttlMs":0,"cacheScope":"private","instructions":"EVIL"}`, mcp.Latest)))
	case mcp.MethodListTools:
		fmt.Fprint(w, answer(`{"tools":[{"name":"plain","description":"first line\nsecond line","inputSchema":{"type":"object"}},{"name":"EVIL","description":"EVIL","inputSchema":{"type":"object"}}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`))
	case mcp.MethodCallTool:
		switch text, _ := jsonrpc.Get(m.Params, "name"); string(text) {
		case `"fails"`:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, rename(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32000,"message":"EVIL"}}`, m.ID.Raw())))
		case `"asks"`:
			if _, answered := jsonrpc.Get(m.Params, "inputResponses"); !answered {
				fmt.Fprint(w, answer(`{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":{"mode":"form","message":"EVIL","requestedSchema":{"type":"object","properties":{"EVIL":{"type":"string","description":"EVIL"}}}}}},"requestState":"s"}`))
				return
			}
			fmt.Fprint(w, answer(`{"resultType":"complete","content":[{"type":"text","text":"EVIL"}]}`))
		default:
			meta, _ := jsonrpc.Get(m.Params, "_meta")
			token, _ := jsonrpc.Get(meta, "progressToken")
			w.Header().Set("Content-Type", "text/event-stream")
			for _, message := range []string{
				rename(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":` + string(token) + `,"progress":1,"total":2,"message":"EVIL"}}`),
				rename(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":{"EVIL":"EVIL"}}}`),
				answer(`{"resultType":"complete","content":[{"type":"text","text":"EVIL"},{"type":"text","text":"two\n\tlines"},{"type":"resource","resource":{"uri":"EVIL","text":"EVIL"}}]}`),
			} {
				fmt.Fprintf(w, "data: %s\n\n", strings.ReplaceAll(message, "\u2028", `\u2028`))
			}
		}
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}`, m.ID.Raw())
	}
}

// TestNothingReachesTheTerminal holds that no command prints what a server says as it
// is, to either output.
func TestNothingReachesTheTerminal(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(hostileServer))
	defer s.Close()
	for _, tc := range []struct {
		args []string
		code int
		says []string // on either output
	}{
		{[]string{"tools", s.URL}, 0, []string{"plain", "first line\n", shown + "  " + shown + "\n"}},
		{[]string{"tools", "--json", s.URL}, 0, []string{`"description": "first line\nsecond line"`, `gnp.exe\u2066`}},
		{[]string{"call", s.URL, "x"}, 0, []string{"[1/2] " + shown + "\n", "[error] {", shown + "\ntwo\n\tlines\n{\n", `"uri": "`}},
		{[]string{"call", "--json", s.URL, "x"}, 0, []string{`{"resultType":"complete","content":[`, "[1/2] " + shown}},
		{[]string{"call", s.URL, "fails"}, 1, []string{shown}},
		{[]string{"call", s.URL, "asks"}, 0, []string{shown + "\n(no terminal to answer on: declined)", shown + "\n"}},
	} {
		code, out, errs := run(t, tc.args...)
		if code != tc.code {
			t.Errorf("%q ended with %d: %s", tc.args, code, errs)
		}
		for _, text := range []string{out, errs} {
			if !display.Plain(strings.NewReplacer("\n", "", "\t", "").Replace(text)) {
				t.Errorf("%q printed %q", tc.args, text)
			}
		}
		for _, want := range tc.says {
			if !strings.Contains(out+errs, want) {
				t.Errorf("%q printed %q and %q, want %q", tc.args, out, errs, want)
			}
		}
	}
}

// TestJSONIsExact holds that what --json prints means what the server sent.
func TestJSONIsExact(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(hostileServer))
	defer s.Close()
	_, out, _ := run(t, "call", "--json", s.URL, "x")
	var res mcp.CallToolResult
	if err := json.Unmarshal([]byte(out), &res); err != nil || len(res.Content) != 3 || res.Content[0].Text != hostile {
		t.Errorf("call: %+v, %v", res, err)
	}
	_, out, _ = run(t, "tools", "--json", s.URL)
	var tools []mcp.Tool
	if err := json.Unmarshal([]byte(out), &tools); err != nil || len(tools) != 2 || tools[1].Name != hostile || tools[1].Description != hostile {
		t.Errorf("tools: %+v, %v", tools, err)
	}
}

func TestPrintf(t *testing.T) {
	var b bytes.Buffer
	printf(&b, "%-*s|%s|%s|%g|%v\n", 8, line("a\n\x1b"), "b\n\x1b", fmt.Errorf("c\n%s", "\u202e"), 1.5, true)
	if got, want := b.String(), "a\\x0a\\x1b|b\n\\x1b|c\n\\u202e|1.5|true\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	b.Reset()
	tbl := newTable(&b, "NODE", "STATE")
	tbl.row("a\tb\n\x1b", 7)
	if err := tbl.Flush(); err != nil || b.String() != "NODE            STATE\na\\x09b\\x0a\\x1b  7\n" {
		t.Errorf("table %q, %v", b.String(), err)
	}
}
