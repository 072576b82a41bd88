// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpguard

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestCheck(t *testing.T) {
	lan := &net.TCPAddr{IP: net.IPv4(192, 168, 1, 5), Port: 8080}
	for _, tc := range []struct {
		name, host, origin string
		guard              Guard
		local              net.Addr
		ok                 bool
	}{
		{"loopback", "127.0.0.1:8080", "", Guard{}, nil, true},
		{"IPv6 loopback", "[::1]:8080", "http://[::1]:3000", Guard{}, nil, true},
		{"no port", "localhost", "", Guard{}, nil, true},
		{"own address", "192.168.1.5:8080", "", Guard{}, lan, true},
		{"another address", "192.168.1.6:8080", "", Guard{}, lan, false},
		{"a name on the LAN", "box.lan:8080", "", Guard{}, lan, false},
		{"a name that is allowed", "box.lan:8080", "", Guard{Hosts: []string{"box.lan"}}, lan, true},
		{"its own address as origin", "192.168.1.5:8080", "http://192.168.1.5:8080", Guard{}, lan, false},
		{"a name and port that are allowed", "box.lan:8080", "", Guard{Hosts: []string{"box.lan:8080"}}, lan, true},
		{"any address", "192.168.1.6:8080", "", Guard{Hosts: []string{"0.0.0.0"}}, lan, true},
		{"any address, in IPv6", "[2001:db8::1]:8080", "", Guard{Hosts: []string{"[::]"}}, lan, true},
		{"any address is not any name", "box.lan:8080", "", Guard{Hosts: []string{"0.0.0.0", "::"}}, lan, false},
		{"the unspecified address", "0.0.0.0:8080", "", Guard{}, lan, false},
		{"the unspecified address, allowed", "[::]:8080", "", Guard{Hosts: []string{"0.0.0.0"}}, lan, true},
		{"another port", "box.lan:9090", "", Guard{Hosts: []string{"box.lan:8080"}}, lan, false},
		{"any", "evil.example", "http://evil.example", Guard{Hosts: []string{"*"}, Origins: []string{"*"}}, nil, true},
		{"file origin", "localhost", "file://", Guard{}, nil, false},
		{"prefix of loopback", "localhost.evil.example", "", Guard{}, nil, false},
		{"empty host", "", "", Guard{}, nil, false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/mcp", nil)
		r.Host = tc.host
		if tc.origin != "" {
			r.Header.Set("Origin", tc.origin)
		}
		if tc.local != nil {
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, tc.local))
		}
		if why := tc.guard.Check(r); (why == "") != tc.ok {
			t.Errorf("%s: Check = %q, want allowed %v", tc.name, why, tc.ok)
		}
	}
}

// TestSites are what browsers say of the page that makes a request, and the origins
// that may: of pages on this host all, or only the request's own.
func TestSites(t *testing.T) {
	named := []string{"https://app.example"}
	for _, tc := range []struct {
		site, origin string
		origins      []string
		ok, own      bool // allowed; and where only the own origin is
	}{
		{"", "", nil, true, true}, // no browser
		{"same-origin", "", nil, true, true},
		{"none", "", nil, true, true}, // typed in
		{"same-site", "", nil, false, false},
		{"cross-site", "", nil, false, false},
		{"cross-site", "", named, false, false},
		{"cross-site", "", []string{"*"}, true, true},
		{"cross-site ", "", nil, false, false},
		{"x", "", nil, false, false},
		{"same-origin", "http://localhost:8080", nil, true, true},
		{"same-site", "http://localhost:3000", nil, true, false},
		{"cross-site", "http://127.0.0.1:3000", nil, true, false}, // two names of this host
		{"cross-site", "http://localhost.evil.example", nil, false, false},
		{"cross-site", "null", nil, false, false}, // redirected, or in a sandbox
		{"cross-site", "https://app.example", named, true, true},
		{"same-site", "https://app.example", named, true, true},
		{"cross-site", "https://other.example", named, false, false},
		{"", "http://localhost:8080", nil, true, true},
		{"", "HTTP://LOCALHOST:8080", nil, true, true},
		{"", "https://localhost:8080", nil, true, true},
		{"", "http://localhost:3000", nil, true, false},
		{"", "http://localhost", nil, true, false},
		{"", "http://127.0.0.1:8080", nil, true, false},
		{"", "http://localhost:8080/", nil, false, false},
		{"", "http://localhost/../evil.example", nil, false, false},
		{"", "http://localhost:8080?x", nil, false, false},
		{"", "http://localhost:8080#x", nil, false, false},
		{"", "http://evil.example@localhost:8080", nil, false, false},
		{"", "http://u:p@localhost:8080", nil, false, false},
		{"", "http://localhost:8080 http://evil.example", nil, false, false},
		{"", "http:localhost:8080", nil, false, false},
		{"", "//localhost:8080", nil, false, false},
		{"", "", nil, true, true},
	} {
		for _, ownOnly := range []bool{false, true} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Host = "localhost:8080"
			for name, value := range map[string]string{"Sec-Fetch-Site": tc.site, "Origin": tc.origin} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			guard := Guard{Origins: tc.origins, OwnOrigin: ownOnly}
			want := tc.ok
			if ownOnly {
				want = tc.own
			}
			if why := guard.Check(r); (why == "") != want {
				t.Errorf("site %q, origin %q, own only %t: %q, want allowed %t", tc.site, tc.origin, ownOnly, why, want)
			}
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = "[::1]"
	r.Header.Set("Origin", "https://[::1]:443")
	if why := (&Guard{OwnOrigin: true}).Check(r); why != "" {
		t.Errorf("the scheme's own port: %s", why)
	}
}
