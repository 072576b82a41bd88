// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// maxListed bounds the servers that the page lists.
const maxListed = 500

// pageData is what the page at / shows. URLs are as the browser reached it.
type pageData struct {
	Title, Version, URL, Base string
	Demo                      bool
	Servers                   []pageServer
	More                      int // servers that are not listed
}

type pageServer struct{ Name, URL string }

// page tells a person what this is and what to paste into a client. Servers are
// listed as far as each is served alone: others are nobody's to hear of here.
func (n *Node) page(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	switch accept := r.Header.Get("Accept"); {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "MCP is served at /mcp", http.StatusMethodNotAllowed)
	case strings.Contains(accept, "text/html"):
		head.Set("Content-Type", "text/html; charset=utf-8")
		head.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		_ = pageTemplate.Execute(w, n.pageData(r)) // a browser that left needs no page
	case strings.Contains(accept, "text/event-stream"): // a client that was given the wrong URL
		http.Error(w, "MCP is served at /mcp", http.StatusNotFound)
	default:
		d := n.pageData(r)
		fmt.Fprintf(w, "%s %s: MCP is served at %s\n", d.Title, d.Version, d.URL)
		for _, s := range d.Servers {
			fmt.Fprintf(w, "%s: %s\n", s.Name, s.URL)
		}
	}
}

func (n *Node) pageData(r *http.Request) pageData {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	info := n.info()
	base := scheme + "://" + r.Host // which the guard has checked
	d := pageData{Title: info.Name, Version: info.Version, Base: base, URL: base + "/mcp", Demo: n.cfg.Demo}
	if info.Title != "" {
		d.Title = info.Title
	}
	for _, name := range n.names() {
		switch {
		case n.single[name] == nil:
		case len(d.Servers) == maxListed:
			d.More++
		default:
			d.Servers = append(d.Servers, pageServer{name, base + "/servers/" + url.PathEscape(name) + "/mcp"})
		}
	}
	return d
}
