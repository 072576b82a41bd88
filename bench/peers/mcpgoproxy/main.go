// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command mcpgoproxy is a gateway made of mark3labs/mcp-go's client and server,
// the way Go gateways built on that library are: it lists the upstream's tools
// once, adds each to its own server, and passes calls on to the client. It is a
// peer for the gateway benchmark in the folder above, and its own module so
// that Holdfast never depends on mcp-go.
//
// Settings, and why:
//   - One client for all sessions: the library's way to have one connection to
//     a server, and the least work.
//   - An HTTP transport that keeps as many idle connections as there are
//     clients; with net/http's default of two per host it would mostly dial.
//   - The server's settings are those of the mcpgo peer, explained there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

const (
	maxIdle    = 16_384 // more connections than the benchmark opens
	startLimit = 10 * time.Second
)

// dial makes a client of the HTTP server at upstream or, when that is empty, of
// the program command with its arguments.
func dial(upstream string, command []string) *client.Client {
	quiet := slog.New(slog.DiscardHandler)
	if upstream == "" {
		return client.NewClient(transport.NewStdioWithOptions(command[0], nil, command[1:], transport.WithCommandLogger(quiet)))
	}
	rt := http.DefaultTransport.(*http.Transport).Clone()
	rt.Proxy = nil
	rt.MaxIdleConns, rt.MaxIdleConnsPerHost = maxIdle, maxIdle
	t, err := transport.NewStreamableHTTP(upstream,
		transport.WithHTTPBasicClient(&http.Client{Transport: rt}), transport.WithHTTPLogger(quiet))
	if err != nil {
		panic(err) // not a URL
	}
	return client.NewClient(t)
}

// mount adds every tool of c to s.
func mount(ctx context.Context, s *server.MCPServer, c *client.Client) error {
	if err := c.Start(ctx); err != nil {
		return fmt.Errorf("start the upstream: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	hello := mcp.InitializeRequest{}
	hello.Params.ClientInfo = mcp.Implementation{Name: "mcpgoproxy", Version: "1.0.0"}
	if _, err := c.Initialize(limited, hello); err != nil {
		return fmt.Errorf("greet the upstream: %w", err)
	}
	list, err := c.ListTools(limited, mcp.ListToolsRequest{})
	if err != nil {
		return fmt.Errorf("list the upstream's tools: %w", err)
	}
	for _, tool := range list.Tools {
		s.AddTool(tool, c.CallTool)
	}
	return nil
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:8080", "address to listen on")
	upstream := flag.String("upstream", "", "URL of the MCP endpoint; when empty the arguments are a command")
	flag.Parse()
	if *upstream == "" && flag.NArg() == 0 {
		return errors.New("neither -upstream nor a command")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	s := server.NewMCPServer("mcpgoproxy", "1.0.0", server.WithToolCapabilities(true))
	c := dial(*upstream, flag.Args())
	defer c.Close()
	if err := mount(ctx, s, c); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", server.NewStreamableHTTPServer(s,
		server.WithStateful(true),
		server.WithStreamableHTTPLogger(slog.New(slog.DiscardHandler)),
	))
	hs := &http.Server{Addr: *listen, Handler: mux}
	context.AfterFunc(ctx, func() { hs.Close() })
	if err := hs.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mcpgoproxy:", err)
		os.Exit(1)
	}
}
