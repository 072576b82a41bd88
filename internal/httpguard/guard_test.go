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
