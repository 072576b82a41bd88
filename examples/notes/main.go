// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command notes is an MCP server whose resources change: notes that a tool
// writes and clients subscribe to.
//
//	notes -listen 127.0.0.1:8080
//
// Each note is the resource note://<name>. Writing one announces the change to
// whoever subscribed to it, and a new note to whoever listens to the list.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

const scheme = "note://"

// notes keeps the notes in memory. It is safe for concurrent use.
type notes struct {
	server *server.Server

	mu    sync.Mutex
	texts map[string]string
}

type writeIn struct {
	Name string `json:"name" jsonschema:"the note's name" pattern:"^[a-z0-9-]{1,64}$"`
	Text string `json:"text" jsonschema:"what to write"`
}

type writeOut struct {
	URI   string `json:"uri"`
	Bytes int    `json:"bytes"`
}

// write is the tool write_note.
func (n *notes) write(_ context.Context, _ *server.Request, in writeIn) (writeOut, error) {
	uri := scheme + in.Name
	n.mu.Lock()
	_, exists := n.texts[in.Name]
	n.texts[in.Name] = in.Text
	n.mu.Unlock()
	if exists {
		n.server.ResourceUpdated(uri)
	} else {
		n.server.AddResource(mcp.Resource{URI: uri, Name: in.Name, MIMEType: "text/plain"}, n.read)
	}
	return writeOut{URI: uri, Bytes: len(in.Text)}, nil
}

// read reads note://<name>.
func (n *notes) read(_ context.Context, req *server.Request) (*mcp.ReadResourceResult, error) {
	n.mu.Lock()
	text, ok := n.texts[strings.TrimPrefix(req.URI(), scheme)]
	n.mu.Unlock()
	if !ok {
		return nil, server.NotFound(req.URI())
	}
	return server.TextResource("text/plain", text), nil
}

// suggest completes the name in the template note://{name}.
func (n *notes) suggest(_ context.Context, _ *server.Request, typed string, _ map[string]string) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	names := slices.Sorted(maps.Keys(n.texts))
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, typed) }), nil
}

func newServer() *server.Server {
	s := server.New("notes", "1.0.0", server.Instructions("Write notes with write_note, read them as resources."))
	n := &notes{server: s, texts: map[string]string{}}
	server.AddTool(s, "write_note", "Writes a note", n.write, server.Destructive(true), server.Idempotent(), server.OpenWorld(false))
	s.AddResourceTemplate(mcp.ResourceTemplate{URITemplate: scheme + "{name}", Name: "Note by name", MIMEType: "text/plain"},
		n.read, server.Complete("name", n.suggest))
	return s
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address to serve HTTP on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newServer().ListenAndServe(ctx, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "notes:", err)
		os.Exit(1)
	}
}
