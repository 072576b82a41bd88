// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package httpguard refuses HTTP requests that a browser was tricked into
// sending: it checks Origin and Host separately, since a DNS-rebinding page has
// a good Host and a bad Origin, and a forged Host a good Origin.
//
// spec 2025-11-25 basic/transports: "Servers MUST validate the Origin header on
// all incoming connections"; 403 when it is not allowed.
package httpguard

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Guard holds what is allowed. The zero Guard allows loopback names only.
type Guard struct {
	// Hosts are names the Host header may carry besides loopback names and the
	// address a request arrived at: "host" for any port, or "host:port"; "*"
	// allows any.
	Hosts []string
	// Origins are origins such as "https://app.example" that may send requests
	// besides loopback ones; "*" allows any.
	Origins []string
}

// Check returns why the request is refused, or "".
func (g *Guard) Check(r *http.Request) string {
	if !g.host(r) {
		return "Host " + quote(r.Host) + " is not allowed; add it to allowedHosts"
	}
	for _, origin := range r.Header.Values("Origin") {
		if !g.origin(origin) {
			return "Origin " + quote(origin) + " is not allowed; add it to allowedOrigins"
		}
	}
	return ""
}

// host allows loopback names, the very address the connection arrived at, and
// the configured names.
func (g *Guard) host(r *http.Request) bool {
	name := hostname(r.Host)
	if loopback(name) || allowed(g.Hosts, name) || allowed(g.Hosts, r.Host) {
		return true
	}
	addr, err := netip.ParseAddr(name)
	if err != nil {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	at, err := netip.ParseAddrPort(local.String())
	return err == nil && at.Addr().Unmap() == addr.Unmap()
}

func (g *Guard) origin(origin string) bool {
	if allowed(g.Origins, origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && loopback(u.Hostname())
}

func allowed(list []string, value string) bool {
	return slices.ContainsFunc(list, func(a string) bool { return a == "*" || strings.EqualFold(a, value) })
}

// hostname returns the name in a Host header without port and brackets.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

func loopback(name string) bool {
	if strings.EqualFold(name, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}

// quote bounds and quotes a header value for an error message.
func quote(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return "\"" + strings.Map(printable, s) + "\""
}

func printable(r rune) rune {
	if r < 0x20 || r == 0x7f || r == '"' {
		return '?'
	}
	return r
}
