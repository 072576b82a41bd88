// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// probe is one raw request to a served Holdfast.
type probe struct {
	name    string
	headers []string // name, value pairs; an empty value removes the header
	body    string
	status  int
	has     []string
	hasNot  []string
}

const legacyHello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"%V","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// modern returns a modern request; extra goes into its _meta.
func modernBody(method, params, extra string) string {
	return `{"jsonrpc":"2.0","id":5,"method":"` + method + `","params":{` + params + `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}` + extra + `}}}`
}

func modernHeaders(method, name string) []string {
	return []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", method, "Mcp-Name", name}
}

func send(t *testing.T, url string, p probe) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(p.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i+1 < len(p.headers); i += 2 {
		if p.headers[i+1] == "" {
			req.Header.Del(p.headers[i])
			continue
		}
		req.Header.Set(p.headers[i], p.headers[i+1])
	}
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body), res.Header
}

// TestProbes holds what other servers get wrong, row by row, over real HTTP.
func TestProbes(t *testing.T) {
	url := serving(t)
	session := func(version string) string {
		_, _, h := send(t, url, probe{body: strings.Replace(legacyHello, "%V", version, 1)})
		return h.Get("Mcp-Session-Id")
	}
	batching, latest := session("2025-03-26"), session("2025-11-25")
	echo := modernBody("tools/call", `"name":"echo","arguments":{"text":"hi"},`, "")
	for _, p := range []probe{
		{"bad origin, good host", append(modernHeaders("tools/call", "echo"), "Origin", "http://evil.example"), echo, 403, nil, []string{"hi"}},
		{"base64 name", modernHeaders("tools/call", "=?base64?ZWNobw==?="), echo, 200, []string{`"hi"`, `"resultType":"complete"`}, nil},
		{"bad base64 name", modernHeaders("tools/call", "=?base64?ZWNob?="), echo, 400, []string{"-32020"}, nil},
		{"session and event ids are ignored", append(modernHeaders("tools/call", "echo"), "Mcp-Session-Id", "bogus", "Last-Event-Id", "7"), echo, 200, []string{`"hi"`}, nil},
		{"legacy version in _meta", []string{"Mcp-Protocol-Version", "2025-11-25", "Mcp-Method", "tools/call", "Mcp-Name", "echo"}, strings.Replace(echo, "2026-07-28", "2025-11-25", 1), 400, []string{"-32022", `"supported"`, `"requested":"2025-11-25"`}, []string{"ttlMs"}},
		{"null id", []string{"Mcp-Session-Id", latest}, `{"jsonrpc":"2.0","id":null,"method":"ping"}`, 400, []string{"-32600"}, []string{`"id"`}},
		{"fraction id", []string{"Mcp-Session-Id", latest}, `{"jsonrpc":"2.0","id":1.5,"method":"ping"}`, 400, []string{"-32600"}, []string{`"id":`}},
		{"large integer id", []string{"Mcp-Session-Id", latest}, `{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}`, 200, []string{`"id":9007199254740993`}, nil},
		{"malformed JSON", []string{"Mcp-Session-Id", latest}, `{"jsonrpc":`, 400, []string{"-32700"}, []string{`"id"`}},
		{"modern response", modernHeaders("x", ""), `{"jsonrpc":"2.0","id":1,"result":{}}`, 400, []string{"-32600"}, nil},
		{"invalid log level", modernHeaders("tools/call", "echo"), modernBody("tools/call", `"name":"echo","arguments":{"text":"hi"},`, `,"io.modelcontextprotocol/logLevel":"loud"`), 400, []string{"-32602"}, nil},
		{"batch where it exists", []string{"Mcp-Session-Id", batching}, `[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":"b","method":"ping"}]`, 200, []string{`"id":1`, `"id":"b"`}, nil},
		{"batch where it does not", []string{"Mcp-Session-Id", latest}, `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, 400, []string{"-32600"}, nil},
		{"bogus version on a session", []string{"Mcp-Session-Id", latest, "Mcp-Protocol-Version", "1999-01-01"}, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, 400, nil, nil},
		{"missing accept", []string{"Mcp-Session-Id", latest, "Accept", ""}, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, 406, nil, nil},
		{"initialize from the future", nil, strings.Replace(legacyHello, "%V", "2026-07-28", 1), 200, []string{`"protocolVersion":"2025-11-25"`}, nil},
		{"initialize from the past", nil, strings.Replace(legacyHello, "%V", "1999-01-01", 1), 200, []string{`"protocolVersion":"2025-11-25"`}, nil},
		{"unknown resource, legacy", []string{"Mcp-Session-Id", latest}, `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"demo://none"}}`, 200, []string{"-32002"}, nil},
		{"unknown resource, modern", modernHeaders("resources/read", "demo://none"), modernBody("resources/read", `"uri":"demo://none",`, ""), 400, []string{"-32602", `"uri":"demo://none"`}, nil},
		{"unknown tool, modern", modernHeaders("tools/call", "none"), modernBody("tools/call", `"name":"none",`, ""), 400, []string{"-32602"}, nil},
		{"ping without session", nil, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, 400, nil, nil},
		{"default cache hints", modernHeaders("tools/list", ""), modernBody("tools/list", "", ""), 200, []string{`"ttlMs":0`, `"cacheScope":"private"`}, nil},
		{"duplicate member", modernHeaders("tools/call", "echo"), strings.Replace(echo, `"name":"echo"`, `"name":"echo","name":"add"`, 1), 400, []string{"-32700"}, nil},
		{"removed method", modernHeaders("ping", ""), modernBody("ping", "", ""), 404, []string{"-32601"}, nil},
	} {
		t.Run(strings.ReplaceAll(p.name, " ", "_"), func(t *testing.T) {
			status, body, _ := send(t, url, p)
			if status != p.status {
				t.Errorf("status %d, want %d: %s", status, p.status, body)
			}
			for _, want := range p.has {
				if !strings.Contains(body, want) {
					t.Errorf("%s lacks %s", body, want)
				}
			}
			for _, bad := range p.hasNot {
				if strings.Contains(body, bad) {
					t.Errorf("%s has %s", body, bad)
				}
			}
		})
	}
}

func TestStreamsAreNotBuffered(t *testing.T) {
	url := serving(t)
	body := modernBody("tools/call", `"name":"sleep","arguments":{"seconds":0},`, `,"progressToken":1`)
	status, text, h := send(t, url, probe{headers: modernHeaders("tools/call", "sleep"), body: body})
	if status != 200 || h.Get("Content-Type") != "text/event-stream" || h.Get("X-Accel-Buffering") != "no" {
		t.Errorf("%d %v", status, h)
	}
	if !strings.Contains(text, "notifications/progress") || strings.Contains(text, "\nid:") {
		t.Errorf("stream %q", text)
	}
}

// TestErrorsDoNotRepeatWhatIsLong: whatever a request has long in it, and whatever is
// behind the endpoint, the error is short.
func TestErrorsDoNotRepeatWhatIsLong(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	demo, gateway := serving(t), serving(t, "--config", gatewayConfig(t, "", ""))
	for _, url := range []string{demo, gateway, strings.Replace(gateway, "/mcp", "/servers/a/mcp", 1)} {
		_, _, h := send(t, url, probe{body: strings.Replace(legacyHello, "%V", "2025-11-25", 1)})
		session := []string{"Mcp-Session-Id", h.Get("Mcp-Session-Id")}
		call := func(method, params string) string {
			return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + `}`
		}
		long := strings.Repeat("ü\\n", 300_000)
		name := `{"name":"` + long + `"}`
		for _, body := range []string{
			call(long, `{}`), call("tools/call", name), call("prompts/get", name), call("resources/read", `{"uri":"x:`+long+`"}`), call("resources/read", `{"uri":"`+long+`"}`),
			call("completion/complete", `{"ref":{"type":"ref/prompt","name":"`+long+`"},"argument":{"name":"a","value":""}}`),
			call("completion/complete", `{"ref":{"type":"ref/resource","uri":"x:`+long+`"},"argument":{"name":"a","value":""}}`),
			call("completion/complete", `{"ref":{"type":"`+long+`"},"argument":{"name":"a","value":""}}`),
			call("logging/setLevel", `{"level":"`+long+`"}`), call("tasks/get", `{"taskId":"`+long+`"}`), call("tasks/cancel", `{"taskId":"`+long+`"}`),
			call("tools/call", `{"name":"add","arguments":{"a":"`+long+`","`+long+`":1}}`), call("tools/call", `{"name":"`+long+`","name":"`+long+`"}`),
			call("tools/call", `["`+long+`"]`), call("tools/list", `{"cursor":"`+long+`"}`), call("initialize", `{"protocolVersion":{"`+long+`":1}}`),
			`{"jsonrpc":"` + long + `","id":1,"method":"ping"}`, `{"jsonrpc":"2.0","id":"` + long + `","method":"ping"}`, `{"` + long + `":1,"` + long + `":2}`,
			`{"jsonrpc":"2.0","` + long + `":tru}`, `"` + long + `"`, long, `{"jsonrpc":"2.0","id":1,"method":"` + long,
		} {
			if _, answer, _ := send(t, url, probe{headers: session, body: body}); len(answer) > 1500 || answer == "" {
				t.Errorf("%s: %.60s…: an answer of %d bytes: %.200s", url, body, len(answer), answer)
			}
		}
		some := strings.Repeat("x", 30_000) // fits a header
		for _, p := range []probe{
			{headers: modernHeaders(some, ""), body: modernBody(some, "", "")},
			{headers: modernHeaders("ping", ""), body: modernBody(long, "", "")},
			{headers: modernHeaders(some, ""), body: modernBody("ping", "", "")},
			{headers: modernHeaders("tools/call", some), body: modernBody("tools/call", `"name":"`+some+`",`, "")},
			{headers: modernHeaders("tools/call", "a"), body: modernBody("tools/call", `"name":"`+long+`",`, "")},
			{headers: modernHeaders("resources/read", "x:"+some), body: modernBody("resources/read", `"uri":"x:`+some+`",`, "")},
			{headers: modernHeaders("tools/call", "echo"), body: modernBody("tools/call", `"name":"echo","inputResponses":{"`+long+`":1},`, "")},
			{headers: modernHeaders("tools/call", "echo"), body: modernBody("tools/call", `"name":"echo","requestState":"`+long+`",`, "")},
			{headers: []string{"Mcp-Protocol-Version", some, "Mcp-Method", "ping"}, body: strings.Replace(modernBody("ping", "", ""), "2026-07-28", some, 1)},
			{headers: modernHeaders("completion/complete", ""), body: modernBody("completion/complete", `"ref":{"type":"`+long+`"},"argument":{"name":"a","value":""},`, "")},
		} {
			if _, answer, _ := send(t, url, p); len(answer) > 1500 || answer == "" {
				t.Errorf("%s: %.160s…: an answer of %d bytes: %.200s", url, p.body, len(answer), answer)
			}
		}
	}
}
