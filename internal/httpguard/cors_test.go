// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpguard

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestShare holds who may read answers: whom Check admits, and nobody else.
func TestShare(t *testing.T) {
	named := &Guard{Origins: []string{"https://app.example"}}
	for _, tc := range []struct {
		name, origin, site string
		guard              *Guard
		shared             bool
	}{
		{"no browser", "", "", named, false},
		{"a page of this host", "http://localhost:6274", "same-site", &Guard{}, true},
		{"another name of this host", "http://127.0.0.1:6274", "cross-site", &Guard{}, true},
		{"a page that is named", "https://app.example", "cross-site", named, true},
		{"a stranger", "https://evil.example", "cross-site", named, false},
		{"a sandbox", "null", "cross-site", named, false},
		{"any page", "https://evil.example", "cross-site", &Guard{Origins: []string{"*"}}, true},
		{"only the own", "http://localhost:6274", "same-site", &Guard{OwnOrigin: true}, false},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodOptions} {
			r := httptest.NewRequest(method, "/mcp", nil)
			r.Host = "localhost:8080"
			if tc.origin != "" {
				r.Header.Set("Origin", tc.origin)
			}
			if tc.site != "" {
				r.Header.Set("Sec-Fetch-Site", tc.site)
			}
			w := httptest.NewRecorder()
			if tc.guard.Share(w, r) {
				t.Errorf("%s, %s: answered what is no preflight", tc.name, method)
			}
			want := http.Header{}
			if tc.shared {
				want = http.Header{"Access-Control-Allow-Origin": {tc.origin}, "Access-Control-Expose-Headers": {exposed}, "Vary": {"Origin"}}
			}
			if !maps.EqualFunc(w.Header(), want, func(a, b []string) bool { return strings.Join(a, "\n") == strings.Join(b, "\n") }) {
				t.Errorf("%s, %s: %v, want %v", tc.name, method, w.Header(), want)
			}
		}
	}
	for _, header := range []string{"Mcp-Session-Id", "WWW-Authenticate"} {
		if !strings.Contains(exposed, header) {
			t.Errorf("%s is not exposed", header)
		}
	}
}

// TestPreflight holds what pages may send: what they ask for, if it is headers.
func TestPreflight(t *testing.T) {
	for _, tc := range []struct {
		origin, asked, headers string
	}{
		{"http://localhost:6274", "content-type,mcp-protocol-version", "content-type,mcp-protocol-version"},
		{"http://localhost:6274", "authorization, mcp-param-x, x-api-key", "authorization, mcp-param-x, x-api-key"},
		{"http://localhost:6274", "", sharedHeaders},
		{"http://localhost:6274", "x\"y", sharedHeaders},
		{"http://localhost:6274", strings.Repeat("x", maxAsked+1), sharedHeaders},
		{"https://evil.example", "content-type", ""},
	} {
		r := httptest.NewRequest(http.MethodOptions, "/mcp", nil)
		r.Host = "localhost:8080"
		r.Header.Set("Origin", tc.origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		if tc.asked != "" {
			r.Header.Set("Access-Control-Request-Headers", tc.asked)
		}
		w := httptest.NewRecorder()
		answered := (&Guard{}).Share(w, r)
		if answered != (tc.headers != "") || w.Header().Get("Access-Control-Allow-Headers") != tc.headers {
			t.Errorf("%s asks for %.40q: answered %t with %v, want %q", tc.origin, tc.asked, answered, w.Header(), tc.headers)
		}
		if answered && (w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Methods") != "GET, POST, DELETE" ||
			strings.Join(w.Header()["Vary"], ", ") != "Origin, Access-Control-Request-Headers") {
			t.Errorf("preflight: %d %v", w.Code, w.Header())
		}
	}
	r := httptest.NewRequest(http.MethodOptions, "/mcp", nil)
	r.Host = "localhost:8080"
	r.Header.Set("Origin", "https://app.example")
	r.Header.Set("Access-Control-Request-Method", "POST")
	r.Header.Set("Access-Control-Request-Private-Network", "true")
	w := httptest.NewRecorder()
	if named := (&Guard{Origins: []string{"https://app.example"}}); !named.Share(w, r) || w.Header().Get("Access-Control-Allow-Private-Network") != "true" {
		t.Errorf("a page on the Internet that is named: %v", w.Header())
	}
}
