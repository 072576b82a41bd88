// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command embed is a program with the whole runtime inside: its own tools, and
// the servers of a configuration file if there is one, on its own HTTP server
// beside its own pages.
//
//	embed -listen 127.0.0.1:8080 -config servers.yaml
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/holdfast-mcp/holdfast"
	"github.com/holdfast-mcp/holdfast/server"
)

type addIn struct {
	A float64 `json:"a"`
	B float64 `json:"b"`
}

func add(_ context.Context, _ *server.Request, in addIn) (float64, error) { return in.A + in.B, nil }

// start returns a started node with the program's tools.
func start(ctx context.Context, cfg holdfast.Config) (*holdfast.Node, error) {
	node, err := holdfast.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := server.New("sums", "1.0.0")
	server.AddTool(s, "add", "Adds two numbers", add, server.ReadOnly())
	if err := node.Mount("sums", s); err != nil {
		return nil, err
	}
	return node, node.Start(ctx)
}

// pages are the program's, with the node's paths among them.
func pages(node *holdfast.Node) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", node.Handler())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "MCP is at /mcp") })
	return mux
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address to serve HTTP on")
	file := flag.String("config", "", "file with mcpServers")
	data := flag.String("data", "", "data directory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, holdfast.Config{ConfigFile: *file, DataDir: *data}); err != nil {
		fmt.Fprintln(os.Stderr, "embed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen string, cfg holdfast.Config) error {
	node, err := start(ctx, cfg)
	if err != nil {
		return err
	}
	web := &http.Server{Addr: listen, Handler: pages(node), ReadHeaderTimeout: 10 * time.Second}
	closed := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		err := node.Close() // ends the streams, which Shutdown would wait for
		closed <- errors.Join(err, web.Shutdown(context.WithoutCancel(ctx)))
	})
	if err := web.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(err, node.Close())
	}
	return <-closed
}
