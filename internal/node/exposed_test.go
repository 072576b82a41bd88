// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/config"
)

func TestWarnIfExposed(t *testing.T) {
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 8080} }
	for _, tc := range []struct {
		addr  net.Addr
		warns bool
	}{
		{tcp("127.0.0.1"), false}, {tcp("127.74.3.2"), false}, {tcp("::1"), false}, {tcp("::ffff:127.0.0.1"), false},
		{tcp("0.0.0.0"), true}, {tcp("::"), true}, {tcp("192.168.1.5"), true}, {tcp("10.0.0.1"), true}, {tcp("fe80::1"), true}, {tcp("203.0.113.7"), true},
		{&net.TCPAddr{Port: 8080}, true}, // of ":8080"
		{&net.UnixAddr{Name: "/run/holdfast.sock", Net: "unix"}, false},
	} {
		var log bytes.Buffer
		WarnIfExposed(tc.addr, slog.New(slog.NewTextHandler(&log, nil)))
		if warned := strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), "NO AUTHENTICATION") && strings.Contains(log.String(), tc.addr.String()); warned != tc.warns {
			t.Errorf("%v: warned %t, want %t: %s", tc.addr, warned, tc.warns, log.String())
		}
	}
}

func TestHostsOf(t *testing.T) {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"0.0.0.0", name}
	for listen, want := range map[string][]string{
		"127.0.0.1:8080": {"127.0.0.1"}, "192.168.1.5:8080": {"192.168.1.5"}, "box.lan:8080": {"box.lan"}, "[2001:db8::1]:80": {"2001:db8::1"},
		":8080": all, "0.0.0.0:8080": all, "[::]:8080": all, "": nil,
	} {
		if diff := cmp.Diff(want, hostsOf(listen)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", listen, diff)
		}
	}
}

// TestURLsOf holds that each URL shown can be used: that which stands for all addresses
// is none that a client could connect to everywhere.
func TestURLsOf(t *testing.T) {
	network := func(cidrs ...string) (all []net.Addr) {
		for _, cidr := range cidrs {
			ip, n, err := net.ParseCIDR(cidr)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, &net.IPNet{IP: ip, Mask: n.Mask})
		}
		return all
	}
	lan := network("127.0.0.1/8", "::1/128", "192.168.1.5/24", "fe80::1/64", "2001:db8::5/64")
	four, six := []string{"http://192.168.1.5:80/mcp", "http://box:80/mcp"}, []string{"http://192.168.1.5:80/mcp", "http://[2001:db8::5]:80/mcp", "http://box:80/mcp"}
	for _, tc := range []struct {
		name, bound string
		interfaces  []net.Addr
		own         string
		others      []string
	}{
		{"loopback", "127.0.0.1:80", lan, "http://127.0.0.1:80/mcp", nil},
		{"one address", "192.168.1.5:80", lan, "http://192.168.1.5:80/mcp", nil},
		{"all of IPv4", "0.0.0.0:80", lan, "http://127.0.0.1:80/mcp", four},
		{"all", "[::]:80", lan, "http://127.0.0.1:80/mcp", six},
		{"IPv6 only", "[::]:80", network("::1/128", "2001:db8::5/64"), "http://[::1]:80/mcp", []string{"http://[2001:db8::5]:80/mcp", "http://box:80/mcp"}},
		{"no network", "[::]:80", network("127.0.0.1/8"), "http://127.0.0.1:80/mcp", nil},
	} {
		own, others := urlsOf(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(tc.bound)), tc.interfaces, "box")
		if own != tc.own {
			t.Errorf("%s: %s, want %s", tc.name, own, tc.own)
		}
		if diff := cmp.Diff(tc.others, others); diff != "" {
			t.Errorf("%s: for others (-want +got):\n%s", tc.name, diff)
		}
	}
	many := slices.Repeat(network("10.0.0.1/8"), 50)
	if _, others := urlsOf(&net.TCPAddr{Port: 80}, many, ""); len(others) != maxURLs {
		t.Errorf("%d URLs of %d addresses, want %d", len(others), len(many), maxURLs)
	}
}

// TestHostsAtAnAddress holds which names requests may call a node by: of one that
// listens beyond loopback what it listens on, its machine's name and every address,
// but no name that somebody else could have resolve to it.
func TestHostsAtAnAddress(t *testing.T) {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		listen, host string
		allowed      []string
		ok           bool
	}{
		{"0.0.0.0:9131", "0.0.0.0:9131", nil, true},
		{":9131", "[::]:9131", nil, true},
		{":9131", name + ":9131", nil, true},
		{":9131", "192.168.1.5:9131", nil, true}, // of the machine around a container
		{":9131", "localhost:9131", nil, true},
		{":9131", "evil.example:9131", nil, false},
		{":9131", "tools.lan:9131", []string{"tools.lan"}, true},
		{"box.lan:9131", "box.lan:9131", nil, true},
		{"box.lan:9131", "192.168.1.5:9131", nil, false},
		{"127.0.0.1:9131", "0.0.0.0:9131", nil, false},
		{"127.0.0.1:9131", name + ".lan:9131", nil, false},
	} {
		n := New(Config{File: config.Config{Listen: tc.listen, AllowedHosts: tc.allowed}})
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = tc.host
		if why := n.guard.Check(r); (why == "") != tc.ok {
			t.Errorf("listening on %s, called %s: %q, want allowed %t", tc.listen, tc.host, why, tc.ok)
		}
	}
}
