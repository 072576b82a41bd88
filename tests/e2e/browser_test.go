// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/tests/debian"
)

// browserTimeout bounds a run of Chromium.
const browserTimeout = 3 * time.Minute

// visit is what a page does, in the words of js/browser.mjs, and what is to come of it.
type visit struct {
	Page string         `json:"page"`
	Does string         `json:"does"`
	With map[string]any `json:"with"`
	want string         // JSON
}

// pages serves the page, and the modules that it loads, by whatever name it is called.
func pages(t *testing.T) (port string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "js/page.html") })
	serve := func(w http.ResponseWriter, r *http.Request, path string) {
		w.Header().Set("Content-Type", "text/javascript") // .mjs is not known everywhere
		http.ServeFile(w, r, path)
	}
	mux.HandleFunc("/page.mjs", func(w http.ResponseWriter, r *http.Request) { serve(w, r, "js/page.mjs") })
	modules := packages(t).Modules
	mux.HandleFunc("/modules/{path...}", func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, filepath.Join(modules, filepath.FromSlash(r.PathValue("path"))))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// browse has Chromium make visits and checks what came of them.
func browse(t *testing.T, visits []visit) {
	t.Helper()
	chromium, err := debian.Program(t.Context(), "chromium", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(visits)
	if err != nil {
		t.Fatal(err)
	}
	cmd := script(t, "browser.mjs", chromium)
	defer time.AfterFunc(browserTimeout, func() { _ = cmd.Cancel() }).Stop()
	cmd.Stdin = bytes.NewReader(input)
	var failure bytes.Buffer
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("browse: %v\n%s", err, failure.Bytes())
	}
	var outcomes []struct {
		Value jsontext.Value `json:"value"`
		Error string         `json:"error"`
		Said  []string       `json:"said"` // on the console
	}
	if err := json.Unmarshal(out, &outcomes); err != nil || len(outcomes) != len(visits) {
		t.Fatalf("%d outcomes of %d visits, %v: %s", len(outcomes), len(visits), err, out)
	}
	for i, v := range visits {
		if o := &outcomes[i]; string(o.Value) != v.want {
			t.Errorf("%s: %s %v: %s %s, want %s; on the console:\n%s", v.Page, v.Does, v.With, o.Value, o.Error, v.want, strings.Join(o.Said, "\n"))
		}
	}
}

// TestPageOfAnotherOrigin has the official SDK in Chromium use Holdfast from pages of other origins that may, and holds
// that a page which may not reads nothing and opens nothing.
func TestPageOfAnotherOrigin(t *testing.T) {
	port := pages(t)
	dir := t.TempDir()
	command := everything(t)
	config, err := json.Marshal(map[string]any{
		"mcpServers":     map[string]any{"everything": map[string]any{"command": command[0], "args": command[1:]}},
		"allowedOrigins": []string{"http://app.example:" + port},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "mcp.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddress(t)
	s := serve(t, addr, binary(t, "cmd/holdfast"), "serve", "--config", file, "--listen", addr, "--data", filepath.Join(dir, "data"))
	p, _ := dial(t, dialects[0], s.url("/mcp"), nil)
	awaitTools(t, p, "everything__echo")

	loopback, otherName, named, stranger := "http://127.0.0.1:"+port+"/", "http://localhost:"+port+"/", "http://app.example:"+port+"/", "http://evil.example:"+port+"/"
	const legacy, modern = `{"version":"2025-11-25","text":"Echo: from a page","session":true}`, `{"version":"2026-07-28","text":"Echo: from a page","session":false}`
	var visits []visit
	for _, page := range []string{loopback, otherName, named} {
		visits = append(visits,
			visit{page, "use", map[string]any{"url": s.url("/mcp"), "era": "legacy"}, legacy},
			visit{page, "use", map[string]any{"url": s.url("/mcp/"), "era": "modern"}, modern},
			visit{page, "reads", map[string]any{"url": s.url("/mcp")}, `400`},
			visit{page, "reads", map[string]any{"url": s.url("/nothing"), "method": "DELETE"}, `404`})
	}
	visits = append(visits, visit{named, "use", map[string]any{"url": s.url("/sse"), "era": "legacy", "transport": "sse"}, strings.Replace(legacy, "true", "false", 1)})
	socket := strings.Replace(s.url("/ws"), "http:", "ws:", 1)
	for _, url := range []string{s.url("/sse"), socket} {
		visits = append(visits, visit{named, "opens", map[string]any{"url": url}, `"opens"`})
		for _, page := range []string{loopback, otherName, stranger} {
			visits = append(visits, visit{page, "opens", map[string]any{"url": url}, `"does not open"`})
		}
	}
	for _, path := range []string{"/mcp", "/sse", "/"} {
		visits = append(visits, visit{stranger, "reads", map[string]any{"url": s.url(path)}, `"kept from it"`})
	}
	browse(t, visits)
}
