// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata")

// TestMerge runs testdata/merge. In each file, "SERVER/LIST" is what a server
// lists, one entry per line, and "servers.json" what is chosen of them. Golden
// are "common/LIST" and "own/SERVER/LIST", one entry per line, and "log".
func TestMerge(t *testing.T) {
	files, err := filepath.Glob("testdata/merge/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no test data", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := rerun(t, a)
			if *update {
				if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(txtar.Format(a)), string(txtar.Format(got))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// rerun returns the archive with its golden parts as they come out.
func rerun(t *testing.T, a *txtar.Archive) *txtar.Archive {
	out := &txtar.Archive{Comment: a.Comment}
	var servers map[string]Server
	var backends []backend.Backend
	byName := map[string]*scripted{}
	for _, f := range a.Files {
		server, list, _ := strings.Cut(f.Name, "/")
		switch {
		case f.Name == "servers.json":
			if err := json.Unmarshal(f.Data, &servers, json.RejectUnknownMembers(true)); err != nil {
				t.Fatal(err)
			}
		case server == "common" || server == "own" || server == "log":
			continue
		default:
			if byName[server] == nil {
				byName[server] = &scripted{name: server, answers: map[string]string{}}
				backends = append(backends, byName[server])
			}
			entries := strings.Join(strings.Split(strings.TrimSpace(string(f.Data)), "\n"), ",")
			byName[server].answer(methodOf(list), `{"`+list+`":[`+entries+`]}`)
		}
		out.Files = append(out.Files, f)
	}
	var log bytes.Buffer
	c := NewCatalog(CatalogConfig{Servers: servers, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
		Level: slog.LevelWarn,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		},
	}))}, backends)
	defer c.Close()
	add := func(name string, g *Gateway) {
		for _, l := range lists {
			if lines := entryLines(t, g, &l); lines != "" {
				out.Files = append(out.Files, txtar.File{Name: name + "/" + l.member, Data: []byte(lines)})
			}
		}
	}
	add("common", New(Config{}, &subscription.Hub{}, c))
	for _, b := range backends {
		add("own/"+b.Name(), New(Config{Own: b.Name()}, &subscription.Hub{}, c))
	}
	c.Close()
	lines := strings.SplitAfter(log.String(), "\n") // lists are asked for at the same time
	slices.Sort(lines)
	if all := strings.Join(lines, ""); all != "" {
		out.Files = append(out.Files, txtar.File{Name: "log", Data: []byte(all)})
	}
	return out
}

func methodOf(member string) string {
	for _, l := range lists {
		if l.member == member {
			return l.method
		}
	}
	return ""
}

func entryLines(t *testing.T, g *Gateway, l *list) string {
	body, err := ask(t, g, l.method, "")
	if err != nil || !Raw(body).IsValid() {
		t.Fatal(body, err)
	}
	array, _ := jsonrpc.Get(Raw(body), l.member)
	var b strings.Builder
	for entry := range jsonrpc.Elements(array) {
		b.Write(entry)
		b.WriteByte('\n')
	}
	return b.String()
}
