// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package httpguard refuses HTTP requests that a browser was tricked into
// sending, and lets pages that may ask read the answers. It checks Host, Origin and what the browser says of the site that asks,
// each by itself: a DNS-rebinding page has a good Host and a bad Origin, a forged
// Host a good Origin, and an image or a link of another site no Origin at all.
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

	"github.com/holdfast-mcp/holdfast/internal/display"
)

// Guard holds what is allowed. The zero Guard allows loopback names only.
type Guard struct {
	// Hosts are names the Host header may carry besides loopback names and the
	// address a request arrived at: "host" for any port, or "host:port"; "*"
	// allows any. The unspecified address, 0.0.0.0 or ::, allows every IP address:
	// no page can have such a name resolve to another address.
	Hosts []string
	// Origins are origins such as "https://app.example" that may send requests
	// besides loopback ones; "*" allows any.
	Origins []string
	// OwnOrigin allows of the loopback origins only that of the request's own Host:
	// for what a page can open without asking first, as a WebSocket.
	OwnOrigin bool
}

// Check returns why the request is refused, or "".
func (g *Guard) Check(r *http.Request) string {
	if !g.host(r) {
		return "Host " + display.Quote(r.Host) + " is not allowed; add it to allowedHosts, or name it with --allow-host"
	}
	origins := r.Header["Origin"]
	for _, origin := range origins {
		if !allowed(g.Origins, origin) && !g.loopbackOrigin(origin, r.Host) {
			return "Origin " + display.Quote(origin) + " is not allowed; add it to allowedOrigins"
		}
	}
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if !g.site(site, origins) {
			return "the request comes from another site's page (Sec-Fetch-Site: " + display.Quote(site) + "); add its origin to allowedOrigins"
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
	if slices.ContainsFunc(g.Hosts, unspecified) {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	at, err := netip.ParseAddrPort(local.String())
	return err == nil && at.Addr().Unmap() == addr.Unmap()
}

// loopbackOrigin allows pages of this host. What browsers send has neither user
// nor path.
func (g *Guard) loopbackOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !strings.EqualFold(u.Scheme+"://"+u.Host, origin) {
		return false
	}
	return loopback(u.Hostname()) && (!g.OwnOrigin || sameHost(u.Scheme, u.Host, host))
}

// sameHost reports whether an origin's host and port are those of a Host header,
// which leaves out the scheme's own port.
func sameHost(scheme, origin, host string) bool {
	port := ":80"
	if scheme == "https" {
		port = ":443"
	}
	return strings.EqualFold(strings.TrimSuffix(origin, port), strings.TrimSuffix(host, port))
}

// site allows what the browser says to come from the same origin or from nobody's
// page, and pages of other sites that say who they are, by an Origin, which has been
// checked. To a browser localhost and 127.0.0.1 are two sites. Where a page need not ask
// first, as for a WebSocket, another site altogether has to be allowed by name. Programs
// that are no browser say nothing.
//
// W3C Fetch Metadata Request Headers.
func (g *Guard) site(site string, origins []string) bool {
	switch site {
	case "same-origin", "none":
		return true
	case "same-site":
		if len(origins) > 0 {
			return true
		}
	case "cross-site":
		if len(origins) > 0 && !g.OwnOrigin {
			return true
		}
	}
	return slices.ContainsFunc(origins, func(o string) bool { return allowed(g.Origins, o) }) || slices.Contains(g.Origins, "*")
}

func allowed(list []string, value string) bool {
	return slices.ContainsFunc(list, func(a string) bool { return a == "*" || strings.EqualFold(a, value) })
}

// unspecified reports whether an allowed host stands for every address.
func unspecified(host string) bool {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsUnspecified()
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
