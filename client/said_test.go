// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestSaid(t *testing.T) {
	for _, tt := range []struct{ kind, body, want string }{
		{"text/plain; charset=utf-8", "\n api key lacks scope mcp\nat line 7", "api key lacks scope mcp"},
		{"", "no session", "no session"},
		{"", "<html>no</html>", ""},
		{"text/html", "no", ""},
		{"image/png", "\x89PNG", ""},
		{"application/json", `{"error":"invalid_token","error_description":"the token has expired"}`, "the token has expired"},
		{"application/json", `{"error":{"code":7,"message":"quota\nexceeded"}}`, "quota"},
		{"application/json", "{\n  \"detail\": [{\"loc\":[\"a\"],\"msg\":\"field required\"}]\n}", "field required"},
		{"application/problem+json", `{"title":"Gone","status":410}`, "Gone"},
		{"application/json", `"just so"`, "just so"},
		{"application/json", `{"ok":false}`, `{"ok":false}`},
		{"application/json", `{"error":`, `{"error":`},
		{"application/json", `{"error":{"error":{"error":{"error":{"error":"deep"}}}}}`, `{"error":{"error":{"error":{"error":{"error":"deep"}}}}}`},
		{"text/plain", "a\x1b[2Jb\u202ec\xff", "a[2Jbc"},
		{"text/plain", strings.Repeat("é", 150), strings.Repeat("é", 100)},
		{"text/plain", "", ""},
	} {
		e := &HTTPError{Header: http.Header{"Content-Type": {tt.kind}}, Body: []byte(tt.body)}
		if got := e.Said(); got != tt.want {
			t.Errorf("%s %q says %q, want %q", tt.kind, tt.body, got, tt.want)
		}
	}
}

// TestErrorsSayWhatTheServerSaid: the body's reason stands beside the status, and a
// JSON-RPC error stands alone.
func TestErrorsSayWhatTheServerSaid(t *testing.T) {
	s := legacyWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		switch name, _ := jsonrpc.Get(m.Params, "name"); string(name) {
		case `"text"`:
			http.Error(w, "not for you", http.StatusForbidden)
		case `"error"`:
			reply(w, 500, failure(m, -32603, "fetch failed", ""))
		default:
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
	})
	c := connect(t, HTTP(s.URL))
	for name, want := range map[string]string{"text": "HTTP status 403: not for you", "error": "fetch failed (code -32603)"} {
		_, err := c.Call(t.Context(), mcp.MethodCallTool, Raw(`{"name":"`+name+`"}`), CallOptions{})
		if _, ok := errors.AsType[*HTTPError](err); !ok || !strings.HasSuffix(err.Error(), want) || name == "error" && strings.Contains(err.Error(), "HTTP") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// FuzzSaid checks that no body breaks the look for a reason, or gets a terminal to obey.
func FuzzSaid(f *testing.F) {
	for _, body := range []string{"no", `{"error":{"message":"x"}}`, `[[[[["x"]]]]]`, `{"detail":[{"msg":"\u202e"}]}`, `{"error":`, "\xff\n\x1b"} {
		f.Add("application/json", []byte(body))
		f.Add("text/plain", []byte(body))
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		e := &HTTPError{Header: http.Header{"Content-Type": {kind}}, Body: body}
		if said := e.Said(); len(said) > maxSaid || strings.ContainsAny(said, "\n\r\x1b\u202e") {
			t.Errorf("%q", said)
		}
	})
}
