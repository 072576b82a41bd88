// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/server"
)

// clientFiles are the files of package config as clients write them, each with the
// servers whose tools pid and hidden it serves: "a" stands for both, "a pid" for one.
var clientFiles = map[string][]string{
	"amp.settings.json":           {"linear", "playwright pid"},
	"anythingllm.json":            {"face", "streamed"},
	"cherry-studio.json":          {"Zk2pTq7n pid", "remote"},
	"claude-code.mcp.json":        {"api", "events", "local", "named-as-in-the-specification"},
	"claude-code.user.json":       {"context7", "tracker"},
	"claude-desktop.json":         {"filesystem"}, // memory is a program of Windows
	"claude-desktop.config.json":  {"filesystem", "weather"},
	"cline_mcp_settings.json":     {"github.com/modelcontextprotocol/servers/tree/main/src/git", "older"},
	"codex.config.toml":           {"context7 pid", "figma pid"},
	"continue.config.yaml":        {"Docs", "SQLite"},
	"copilot-agent.mcp.json":      {"sentry pid"},
	"copilot-cli.mcp-config.json": {"local"}, // remote offers one tool, which the server does not have
	"cursor.mcp.json":             {"local", "older", "remote"},
	"fastmcp.mcp.json":            {"local", "remote"},
	"gemini.settings.json":        {"http"}, // python includes one tool, which the server does not have
	"goose.config.yaml":           {"github", "remote pid"},
	"jetbrains.mcp.json":          {"copilot", "database"},
	"kiro.mcp.json":               {"api", "docs pid"},
	"librechat.yaml":              {"everything", "puppeteer", "sheets"},
	"lmstudio.mcp.json":           {"fetch", "hf"},
	"opencode.json":               {"everything pid", "tracker"},
	"roo.mcp.json":                {"local", "remote"},
	"vscode.inputs.json":          {"asked"},
	"vscode.mcp.json":             {"github", "memory"},
	"vscode.settings.json":        {"docs", "time"},
	"warp.json":                   {"git", "remote"},
	"windsurf.mcp_config.json":    {"github", "remote"},
	"zed.json":                    {"local"},
	"zed.settings.json":           {"hexdocs", "older"},
}

// TestClientFilesAreServed serves each file as its client writes it. The programs it
// names are stood in for by one, its hosts by a server here; all else is as in the file.
func TestClientFilesAreServed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	programs := standInPrograms(t)
	remote := standInServer(t)
	folder, err := filepath.Abs("../config/testdata/clients")
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if filepath.Ext(f.Name()) == ".golden" {
			continue
		}
		t.Run(f.Name(), func(t *testing.T) {
			want, ok := clientFiles[f.Name()]
			if !ok {
				t.Fatal("nothing is known of this file")
			}
			text, err := os.ReadFile(filepath.Join(folder, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			home := clientHome(t, programs)
			path := filepath.Join(home, ".client", f.Name())
			if err := os.WriteFile(path, remoteHost.ReplaceAll(text, []byte(remote)), 0o600); err != nil {
				t.Fatal(err)
			}
			s := startServing(t, "--config", path)
			count := 0
			for _, entry := range want {
				name, only, one := strings.Cut(entry, " ")
				tools := []string{"hidden", "pid"}
				if one {
					tools = []string{only}
				}
				count += len(tools)
				c := connectTo(t, client.HTTP(s.base()+"/servers/"+url.PathEscape(name)+"/mcp"))
				if diff := cmp.Diff(tools, toolNames(t, c)); diff != "" {
					t.Errorf("tools of %s -want +got:\n%s", name, diff)
				}
			}
			if all := toolNames(t, connectTo(t, client.HTTP(s.url))); len(all) != count {
				t.Errorf("%d tools in all, want %d: %q", len(all), count, all)
			}
		})
	}
}

// remoteHost is the host of a server's URL.
var remoteHost = regexp.MustCompile(`https?://[a-z0-9.-]+(:\d+)?(/|\b)`)

// standInPrograms returns a directory with the programs that the files name, all
// the same server.
func standInPrograms(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"npx", "uvx", "uv", "node", "python", "docker", "bun", "server", "some-command"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+pidServer), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// standInServer returns the base of the URLs of one server.
func standInServer(t *testing.T) string {
	t.Helper()
	s := server.New("stand-in", "1")
	for _, name := range []string{"pid", "hidden"} {
		server.AddTool(s, name, "A tool", func(context.Context, *server.Request, struct{}) (string, error) { return name, nil })
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }() // ends with cancel, waited for below
	old := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: l.Addr().String()})
	}}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/sse", "/messages":
			old.ServeHTTP(w, r)
		default: // Streamable HTTP, whatever the path is called
			s.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() { web.CloseClientConnections(); cancel(); <-done; web.Close() })
	return web.URL + "/"
}

// clientHome makes the working directory one in which the files find what they name.
func clientHome(t *testing.T, programs string) string {
	t.Helper()
	home := t.TempDir()
	for _, dir := range []string{".client", "project", "mcp-servers/python", "bin"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(programs, "server"), filepath.Join(home, "bin", "server")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(home)
	t.Setenv("HOME", home)
	t.Setenv("PATH", programs+string(filepath.ListSeparator)+os.Getenv("PATH"))
	for name, value := range map[string]string{"TOKEN": "s3cret", "REGION": "eu", "API_BASE_URL": "", "INPUT_API_KEY": "answered"} {
		t.Setenv(name, value)
	}
	return home
}
