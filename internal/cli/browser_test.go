// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/node"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// exchanged is a request's outcome, with the body unless it is a stream.
func exchanged(t *testing.T, s *served, method, path string, headers ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tr := &http.Transport{DisableKeepAlives: true}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, s.base()+path, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, header: res.Header}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		a.body = string(text)
	}
	return a
}

// TestPagesReadAnswers holds that an admitted page reads whatever it is answered, errors
// too, on every path, and may ask first; and that no other page is told a thing.
func TestPagesReadAnswers(t *testing.T) {
	s := startServing(t, "--config", gatewayConfig(t, "", "allowedOrigins: [\"https://app.example\"]\n"))
	for _, path := range []string{
		"/", "/mcp", "/mcp/", "/sse", "/sse/", "/messages", "/messages/", "/ws", "/ws/", "/nothing", "/livez", "/readyz",
		"/servers/a/mcp", "/servers/a/mcp/", "/servers/a/sse/", "/servers/x/mcp", "/v/x/mcp", "/.well-known/oauth-protected-resource",
	} {
		for _, origin := range []string{"http://localhost:6274", "https://app.example", "https://evil.example", "null"} {
			want := origin
			if origin == "https://evil.example" || origin == "null" {
				want = ""
			}
			for _, method := range []string{"GET", "POST", "PUT", "OPTIONS"} {
				a := exchanged(t, s, method, path, "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,mcp-session-id")
				if got := a.header.Get("Access-Control-Allow-Origin"); got != want {
					t.Errorf("%s %s of %s: %d, shared with %q", method, path, origin, a.status, got)
				}
				if method == "OPTIONS" && want != "" && (a.status != 204 || a.header.Get("Access-Control-Allow-Headers") != "content-type,mcp-session-id") {
					t.Errorf("preflight of %s for %s: %d %v", origin, path, a.status, a.header)
				}
				if exposed := a.header.Get("Access-Control-Expose-Headers"); want != "" && !strings.Contains(exposed, "Mcp-Session-Id") {
					t.Errorf("%s %s exposes %q", method, path, exposed)
				}
			}
		}
	}
	for path, status := range map[string]int{"/sse": 403, "/messages": 403, "/ws": 403, "/mcp": 415} { // a loopback page, which may read why
		if a := exchanged(t, s, "POST", path, "Origin", "http://localhost:6274"); a.status != status {
			t.Errorf("POST %s of another page of this host: %d, want %d", path, a.status, status)
		}
	}
}

// TestSlashAtTheEnd holds that clients which add a slash are served as others are.
func TestSlashAtTheEnd(t *testing.T) {
	s := startServing(t, "--config", gatewayConfig(t, "", "endpoints:\n  some: {servers: [a]}\n"))
	for _, path := range []string{"/mcp/", "/servers/a/mcp/", "/v/some/mcp/"} {
		for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
			connectTo(t, client.HTTP(s.base()+path), client.ForceEra(era))
		}
	}
	for _, path := range []string{"/sse/", "/servers/a/sse/", "/v/some/sse"} {
		connectTo(t, client.SSE(s.base()+path))
	}
	if a := exchanged(t, s, "GET", "/ws/"); a.status != http.StatusUpgradeRequired {
		t.Errorf("/ws/: %d", a.status)
	}
	if a := exchanged(t, s, "GET", "/mcp/x"); a.status != 404 {
		t.Errorf("/mcp/x: %d", a.status)
	}
	if a := exchanged(t, s, "POST", "/sse"); a.status != 405 || a.header.Get("Allow") != "GET" {
		t.Errorf("POST /sse: %d, Allow %q", a.status, a.header.Get("Allow"))
	}
}

// TestPage holds what a person sees at the root: what this is, what to paste, and the
// servers that are served alone; none when they are not.
func TestPage(t *testing.T) {
	s := startServing(t, "--config", gatewayConfig(t, "", "endpoints:\n  hidden: {servers: [a]}\n"))
	html := []string{"Accept", "text/html,application/xhtml+xml"}
	a := exchanged(t, s, "GET", "/", html...)
	for _, want := range []string{"MCP", s.url, s.base() + "/servers/a/mcp", s.base() + "/servers/b/mcp", "mcpServers"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page has no %q: %s", want, a.body)
		}
	}
	if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || strings.Contains(a.body, "hidden") ||
		!strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("page: %d %v %s", a.status, a.header, a.body)
	}
	if a := exchanged(t, s, "GET", "/"); a.status != 200 || !strings.Contains(a.body, s.url) || strings.Contains(a.body, "<") {
		t.Errorf("for programs: %d %s", a.status, a.body)
	}
	if a := exchanged(t, s, "GET", "/", append(html, "X-Forwarded-Proto", "https")...); !strings.Contains(a.body, "https://"+s.host()+"/mcp") {
		t.Errorf("behind a proxy with TLS: %s", a.body)
	}
	for method, status := range map[string]int{"POST": 405, "DELETE": 405, "HEAD": 200} {
		if a := exchanged(t, s, method, "/"); a.status != status {
			t.Errorf("%s /: %d, want %d", method, a.status, status)
		}
	}
	if a := exchanged(t, s, "GET", "/", "Accept", "text/event-stream"); a.status != 404 || !strings.Contains(a.body, "/mcp") {
		t.Errorf("for a client with the wrong URL: %d %s", a.status, a.body)
	}
	alone := startServing(t, "--config", gatewayConfig(t, "", "endpoints:\n  /servers/*: false\n"))
	if a := exchanged(t, alone, "GET", "/", html...); a.status != 200 || strings.Contains(a.body, "/servers/") {
		t.Errorf("servers that are not served alone are listed: %s", a.body)
	}
}

// TestAllowHost holds that a name is refused with the way to allow it, and served once
// it is allowed.
func TestAllowHost(t *testing.T) {
	named := func(s *served) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "tools.lan"
		tr := &http.Transport{DisableKeepAlives: true}
		defer tr.CloseIdleConnections()
		res, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	s := startServing(t)
	for range 3 {
		if status, body := named(s); status != 403 || !strings.Contains(body, "--allow-host") {
			t.Errorf("%d %s", status, body)
		}
	}
	if errs := s.errs.String(); strings.Count(errs, "request refused") != 1 || !strings.Contains(errs, "tools.lan") {
		t.Errorf("the operator is told %s", errs)
	}
	if status, body := named(startServing(t, "--allow-host", "other.lan, TOOLS.lan")); status != 200 || !strings.Contains(body, "http://tools.lan/mcp") {
		t.Errorf("allowed: %d %s", status, body)
	}
	if code, _, errs := run(t, "serve", "--allow-host", "http://x"); code != 2 || !strings.Contains(errs, "without a scheme") {
		t.Errorf("%d %s", code, errs)
	}
}

// TestAnnounce holds what is printed: a URL that works here, and those for others.
func TestAnnounce(t *testing.T) {
	var out strings.Builder
	announce(&out, &node.Listener{URL: "http://127.0.0.1:80/mcp", Others: []string{"http://192.168.1.5:80/mcp", "http://box:80/mcp"}}, false)
	for _, want := range []string{
		"holdfast is listening on http://127.0.0.1:80/mcp\n", "other machines: http://192.168.1.5:80/mcp, http://box:80/mcp;", "--allow-host", "holdfast tools http://127.0.0.1:80/mcp\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
}
