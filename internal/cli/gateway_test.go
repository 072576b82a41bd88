// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
	"github.com/holdfast-mcp/holdfast/transport/websocket"
)

// pidServer is a legacy stdio server in shell: its one tool answers its process id,
// and its environment's HOLDFAST_TEST_SECRET.
const pidServer = `
while read -r line; do
  id=${line#*\"id\":}; id=${id%%,*}; id=${id%%\}*}
  case $line in
  *'"initialize"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"pid","version":"1"}}}\n' "$id";;
  *'"tools/list"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"pid","description":"The process id","inputSchema":{"type":"object"}},{"name":"hidden","description":"Not for all","inputSchema":{"type":"object"}}]}}\n' "$id";;
  *'"tools/call"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"%s %s"}]}}\n' "$id" $$ "$HOLDFAST_TEST_SECRET";;
  *'"id"'*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id";;
  esac
done`

// gatewayConfig writes a configuration file and returns its path.
func gatewayConfig(t *testing.T, entry, rest string) string {
	t.Helper()
	dir := t.TempDir()
	script := filepath.Join(dir, "pid.sh")
	if err := os.WriteFile(script, []byte(pidServer), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "holdfast.yaml")
	text := fmt.Sprintf("mcpServers:\n  a: {command: sh, args: [%q]%s}\n  b: {command: sh, args: [%q]}\n%s", script, entry, script, rest)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func connectTo(t *testing.T, target client.Target, opts ...client.Option) *client.Client {
	t.Helper()
	c, err := client.Connect(t.Context(), target, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// textOf calls a tool and returns the text it answers.
func textOf(t *testing.T, c *client.Client, tool string) string {
	t.Helper()
	res, err := c.CallTool(t.Context(), tool, nil)
	if err != nil {
		t.Fatal(err)
	}
	return res.Content[0].Text
}

func toolNames(t *testing.T, c *client.Client) []string {
	t.Helper()
	var names []string
	for tool, err := range c.Tools(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, tool.Name)
	}
	slices.Sort(names)
	return names
}

func pidOf(t *testing.T, text string) int {
	t.Helper()
	pid, err := strconv.Atoi(strings.Fields(text)[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// ends waits for a process to be gone.
func ends(pid int) bool {
	for range 500 {
		if exec.Command("kill", "-0", strconv.Itoa(pid)).Run() != nil {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// TestSessionsHaveTheirProcess: with sharing session, two sessions meet two
// processes, and the end of a session ends its own.
func TestSessionsHaveTheirProcess(t *testing.T) {
	url := serving(t, "--config", gatewayConfig(t, ", sharing: session", ""))
	one := connectTo(t, client.HTTP(url), client.ForceEra(mcp.Legacy))
	two := connectTo(t, client.HTTP(url), client.ForceEra(mcp.Legacy))
	first, second := pidOf(t, textOf(t, one, "a__pid")), pidOf(t, textOf(t, two, "a__pid"))
	if first == second {
		t.Fatal("two sessions share a process")
	}
	if again := pidOf(t, textOf(t, one, "a__pid")); again != first {
		t.Fatal("a session changed its process")
	}
	if err := one.Close(); err != nil { // DELETE
		t.Fatal(err)
	}
	if !ends(first) {
		t.Error("the process of an ended session lives")
	}
	if again := pidOf(t, textOf(t, two, "a__pid")); again != second {
		t.Error("the other session lost its process")
	}
}

// TestEnvironmentIsAnAllowList: a child gets what the configuration lets through.
func TestEnvironmentIsAnAllowList(t *testing.T) {
	t.Setenv("HOLDFAST_TEST_SECRET", "leaked")
	for entry, want := range map[string]string{
		"": "", ", inheritEnv: [PATH, HOLDFAST_TEST_*]": "leaked", ", env: {HOLDFAST_TEST_SECRET: given}": "given",
	} {
		url := serving(t, "--config", gatewayConfig(t, entry, ""))
		got := textOf(t, connectTo(t, client.HTTP(url)), "a__pid")
		if _, secret, _ := strings.Cut(got, " "); secret != want {
			t.Errorf("with %q the child sees %q, want %q", entry, secret, want)
		}
	}
}

// TestVirtualEndpoints: chosen sets of the servers' tools, in both eras.
func TestVirtualEndpoints(t *testing.T) {
	url := serving(t, "--config", gatewayConfig(t, ", tools: {rename: {pid: process}}",
		"endpoints:\n  few: {include: ['a__*'], exclude: ['*hidden']}\n  find: {search: true}\n  default: {exclude: ['b__hidden']}\n"))
	base := strings.TrimSuffix(url, "/mcp")
	for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
		for path, want := range map[string][]string{
			"/mcp":           {"a__hidden", "a__process", "b__pid"},
			"/v/few/mcp":     {"a__process"},
			"/v/find/mcp":    {"call_read_only_tool", "call_tool", "find_tool"},
			"/servers/a/mcp": {"hidden", "process"},
		} {
			c := connectTo(t, client.HTTP(base+path), client.ForceEra(era))
			if diff := cmp.Diff(want, toolNames(t, c)); diff != "" {
				t.Errorf("%v %s: %s", era, path, diff)
			}
		}
		few := connectTo(t, client.HTTP(base+"/v/few/mcp"), client.ForceEra(era))
		if _, err := few.CallTool(t.Context(), "b__pid", nil); err == nil || !strings.Contains(err.Error(), "unknown tool") {
			t.Errorf("%v: a tool that is not shown answers %v", era, err)
		}
		find := connectTo(t, client.HTTP(base+"/v/find/mcp"), client.ForceEra(era))
		res, err := find.CallTool(t.Context(), "find_tool", map[string]any{"query": "process id"})
		if err != nil || !strings.Contains(res.Content[0].Text, "a__process") {
			t.Errorf("%v: find_tool: %+v, %v", era, res, err)
		}
		res, err = find.CallTool(t.Context(), "call_tool", map[string]any{"name": "a__process", "arguments": map[string]any{}})
		if err != nil || pidOf(t, res.Content[0].Text) == 0 {
			t.Errorf("%v: call_tool: %+v, %v", era, res, err)
		}
	}
	resp, err := http.Get(base + "/v/nothing/mcp")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown endpoint answers %s", resp.Status)
	}
}

// TestServersAreNotServedAlone: with the key, a server is had only through the
// endpoints that show it.
func TestServersAreNotServedAlone(t *testing.T) {
	url := serving(t, "--config", gatewayConfig(t, "", "endpoints:\n  /servers/*: false\n  default: {include: ['a__*'], exclude: ['*hidden']}\n"))
	base := strings.TrimSuffix(url, "/mcp")
	for path, want := range map[string]int{"/servers/a/mcp": 404, "/servers/a/sse": 404, "/servers/a/ws": 404, "/servers/b/mcp": 404, "/servers/nothing/mcp": 404} {
		resp, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s answers %s", path, resp.Status)
		}
	}
	if diff := cmp.Diff([]string{"a__pid"}, toolNames(t, connectTo(t, client.HTTP(url)))); diff != "" {
		t.Error(diff)
	}
}

// TestWebSocketBothWays: a Holdfast reached by WebSocket serves one that is.
func TestWebSocketBothWays(t *testing.T) {
	inner := serving(t, "--config", gatewayConfig(t, "", ""))
	socket := "ws" + strings.TrimSuffix(strings.TrimPrefix(inner, "http"), "/mcp") + "/ws"
	path := filepath.Join(t.TempDir(), "outer.yaml")
	if err := os.WriteFile(path, []byte("mcpServers:\n  far: {url: "+socket+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	outer := serving(t, "--config", path)
	front := "ws" + strings.TrimSuffix(strings.TrimPrefix(outer, "http"), "/mcp") + "/ws"
	for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
		c := connectTo(t, client.Stream(func(ctx context.Context) (transport.Conn, error) {
			return websocket.Dial(ctx, front, nil, websocket.DialConfig{})
		}), client.ForceEra(era))
		if pid := pidOf(t, textOf(t, c, "far__a__pid")); pid == 0 {
			t.Errorf("%v: no process id", era)
		}
	}
}

// TestGuardStandsBeforeEveryPath: what a browser was tricked into sending gets
// nowhere, and who asks for something that is not there is told of nothing else.
func TestGuardStandsBeforeEveryPath(t *testing.T) {
	url := serving(t, "--config", gatewayConfig(t, "", "endpoints:\n  payroll: {servers: [b]}\n"))
	base := strings.TrimSuffix(url, "/mcp")
	get := func(path string, edit func(*http.Request)) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		edit(req)
		tr := &http.Transport{}
		defer tr.CloseIdleConnections()
		res, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.Header.Get("Content-Type") == "text/event-stream" {
			return res.StatusCode, ""
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	paths := []string{
		"/", "/mcp", "/mcp/", "//mcp", "/sse", "/messages", "/ws", "/nothing", "/servers", "/servers/", "/servers/x", "/servers/x/y", "/servers/a",
		"/servers/a/x", "/servers/a/mcp", "/servers/a/sse", "/servers/a/ws", "/v/x", "/v/x/mcp", "/v/payroll", "/v/payroll/x", "/v/payroll/mcp", "/v/payroll/ws",
	}
	for name, edit := range map[string]func(*http.Request){
		"Host":    func(r *http.Request) { r.Host = "evil.example" },
		"Origin":  func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
		"site":    func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"sibling": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
	} {
		for _, path := range paths {
			if status, body := get(path, edit); status != http.StatusForbidden || strings.Contains(body, "payroll") {
				t.Errorf("bad %s at %s: %d %s", name, path, status, body)
			}
		}
		for _, path := range []string{"/livez", "/readyz"} { // load balancers ask by any name
			if status, body := get(path, edit); status != http.StatusOK || body != "ok\n" {
				t.Errorf("bad %s at %s: %d %s", name, path, status, body)
			}
		}
	}
	for _, path := range []string{"/servers/x/mcp", "/v/x/mcp", "/servers/" + strings.Repeat("x", 10_000) + "/mcp"} {
		status, body := get(path, func(*http.Request) {})
		if status != http.StatusNotFound || strings.Contains(body, "payroll") || strings.Contains(body, " a, b") || len(body) > 300 {
			t.Errorf("%.40s: %d %s", path, status, body)
		}
	}
}
