// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package schematest

import (
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestEveryDefinitionCompiles(t *testing.T) {
	for _, v := range mcp.Versions() {
		d, err := document(v)
		if err != nil {
			t.Fatal(err)
		}
		for name := range d.defs {
			if _, err := d.compile(name); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestFeatureTable holds the feature table against the schemas.
func TestFeatureTable(t *testing.T) {
	for _, v := range mcp.Versions() {
		d, err := document(v)
		if err != nil {
			t.Fatal(err)
		}
		f := v.Features()
		for method, name := range d.byMethod {
			if got, want := f.Request(method), d.has("ClientRequest", name); got != want {
				t.Errorf("%s: Request(%q) = %v; the schema says %v", v, method, got, want)
			}
			if d.defs["ServerRequest"] != nil {
				got, want := f.Ask(method), d.has("ServerRequest", name)
				if got != want && !strings.HasPrefix(method, "tasks/") { // tasks of clients, which no server here creates
					t.Errorf("%s: Ask(%q) = %v; the schema says %v", v, method, got, want)
				}
			}
			if got, want := f.Notification(method), d.has("ClientNotification", name); got != want {
				t.Errorf("%s: Notification(%q) = %v; the schema says %v", v, method, got, want)
			}
			_, has := mcp.DownNotification(f, method, nil)
			if want := d.has("ServerNotification", name); has != want && strings.HasPrefix(method, "notifications/") {
				t.Errorf("%s: DownNotification(%q) = %v; the schema says %v", v, method, has, want)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	tests := []struct {
		version mcp.Version
		side    Side
		msg     string
		err     string
	}{
		{mcp.V20241105, FromClient, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, ""},
		{mcp.V20241105, FromClient, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}`, "CallToolRequest"},
		{mcp.V20241105, FromServer, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "no request"},
		{mcp.V20241105, FromServer, `{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}`, "no request"},
		{mcp.V20250618, FromServer, `{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"m","requestedSchema":{"type":"object","properties":{}}}}`, ""},
		{mcp.V20251125, FromServer, `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}`, "progressToken"},
		{mcp.V20260728, FromClient, `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{` + meta + `}}`, ""},
		{mcp.V20260728, FromClient, `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`, "_meta"},
		{mcp.V20260728, FromClient, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "no request"},
		{mcp.V20260728, FromClient, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`, ""},
		{mcp.V20260728, FromServer, `{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete"}}`, ""},
		{mcp.V20260728, FromServer, `{"jsonrpc":"2.0","id":1,"result":{}}`, "resultType"},
		{mcp.V20260728, FromServer, `{"jsonrpc":"2.0","error":{"code":-32600,"message":"m"}}`, ""},
		{mcp.V20250618, FromServer, `{"jsonrpc":"2.0","error":{"code":-32600,"message":"m"}}`, "id"},
		{mcp.V20260728, FromServer, `{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"m"}}`, "UnsupportedProtocolVersionError"},
		{mcp.V20260728, FromServer, `{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"m","data":{"supported":["2026-07-28"],"requested":"x"}}}`, ""},
		{mcp.V20251125, FromServer, `{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"m"}}`, "does not define"},
		{mcp.V20260728, FromServer, `{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"m"}}`, "forbids"},
		{mcp.V20260728, FromServer, `{`, "decode message"},
		{"2020-01-01", FromServer, `{}`, "load schema"},
	}
	for _, tt := range tests {
		err := Check(tt.version, tt.side, []byte(tt.msg))
		expect(t, string(tt.version)+" "+tt.msg, err, tt.err)
	}
}

func TestCheckResult(t *testing.T) {
	tests := []struct {
		version     mcp.Version
		method, msg string
		err         string
	}{
		{mcp.V20241105, mcp.MethodCallTool, `{"content":[{"type":"text","text":"x"}]}`, ""},
		{mcp.V20241105, mcp.MethodCallTool, `{"content":[{"type":"audio","data":"","mimeType":"audio/wav"}]}`, "CallToolResult"},
		{mcp.V20251125, mcp.MethodCallTool, `{"content":[],"structuredContent":[1]}`, "CallToolResult"},
		{mcp.V20251125, mcp.MethodCallTool, `{"task":{"taskId":"t"}}`, "CreateTaskResult"},
		{mcp.V20260728, mcp.MethodCallTool, `{"resultType":"complete","content":[],"structuredContent":[1]}`, ""},
		{mcp.V20260728, mcp.MethodCallTool, `{"content":[]}`, "not defined"},
		{mcp.V20260728, mcp.MethodCallTool, `{"resultType":"input_required","inputRequests":{"k":{"method":"roots/list"}}}`, ""},
		{mcp.V20260728, mcp.MethodListTools, `{"resultType":"input_required"}`, "must not be"},
		{mcp.V20260728, mcp.MethodListTools, `{"resultType":"complete","tools":[]}`, "ListToolsResult"},
		{mcp.V20260728, mcp.MethodListRoots, `{"roots":[]}`, ""},
		{mcp.V20241105, mcp.MethodDiscover, `{}`, "no result"},
		{mcp.V20260728, "x/y", `{}`, "no result"},
	}
	for _, tt := range tests {
		expect(t, string(tt.version)+" "+tt.msg, CheckResult(tt.version, tt.method, []byte(tt.msg)), tt.err)
	}
}

func expect(t *testing.T, what string, err error, want string) {
	t.Helper()
	if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v; want %q", what, err, want)
	}
}

func BenchmarkCheckResult(b *testing.B) {
	result := []byte(`{"resultType":"complete","content":[{"type":"text","text":"x"}]}`)
	for b.Loop() {
		if err := CheckResult(mcp.V20260728, mcp.MethodCallTool, result); err != nil {
			b.Fatal(err)
		}
	}
}
