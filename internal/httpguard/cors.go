// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpguard

import (
	"net/http"
	"slices"
	"strings"
)

// What pages may send and read.
const (
	sharedMethods = "GET, POST, DELETE"
	// sharedHeaders are those that clients of every revision send. A page that says
	// which ones it wants to send is told these words instead, if they are headers.
	sharedHeaders = "Accept, Authorization, Content-Type, Last-Event-ID, Mcp-Method, Mcp-Name, Mcp-Protocol-Version, Mcp-Session-Id"
	// exposed are the headers of answers that a client needs.
	exposed = "Mcp-Session-Id, WWW-Authenticate, Mcp-Protocol-Version, Retry-After"
	// preflightAge is how long, in seconds, a browser need not ask again.
	preflightAge = "600"
	// maxAsked bounds the names of headers that a page asks for, in bytes.
	maxAsked = 4 << 10
)

// Share lets the page that has sent a request read the answer, errors included, if
// Check admits it, and reports whether it has answered the request itself, as it does
// a preflight. Call it before anything is written. What is no browser's, and what Check
// refuses, it leaves as it is.
//
// WHATWG Fetch, HTTP CORS protocol.
func (g *Guard) Share(w http.ResponseWriter, r *http.Request) (answered bool) {
	origins := r.Header["Origin"]
	if len(origins) != 1 || g.Check(r) != "" {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origins[0])
	h.Set("Access-Control-Expose-Headers", exposed)
	vary(h, "Origin")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	vary(h, "Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", sharedMethods)
	h.Set("Access-Control-Allow-Headers", allowedHeaders(r.Header.Values("Access-Control-Request-Headers")))
	h.Set("Access-Control-Max-Age", preflightAge)
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" { // of a page on the Internet that was admitted by name
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// allowedHeaders are what a page may send. Servers choose names of their own
// (Mcp-Param-…, keys), so an admitted page may send what it asks to.
func allowedHeaders(asked []string) string {
	all := strings.Join(asked, ",")
	if all == "" || len(all) > maxAsked || strings.ContainsFunc(all, notInHeaderList) {
		return sharedHeaders
	}
	return all
}

// notInHeaderList reports what does not stand in a list of header names.
//
// RFC 9110, 5.6.2: token.
func notInHeaderList(c rune) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return false
	}
	return !strings.ContainsRune("!#$%&'*+-.^_`|~, ", c)
}

// vary tells caches that an answer depends on a request header.
func vary(h http.Header, name string) {
	if !slices.Contains(h["Vary"], name) {
		h.Add("Vary", name)
	}
}
