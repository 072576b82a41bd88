// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package holdfast_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/holdfast-mcp/holdfast"
	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/server"
)

type forecastIn struct {
	City string `json:"city" jsonschema:"the city to look at"`
}

func forecast(_ context.Context, _ *server.Request, in forecastIn) (string, error) {
	return "Sunny in " + in.City, nil
}

// The whole runtime in a program, with a server of its own. A real program calls
// Run, with the address in Config.Listen, until it is told to stop.
func Example() {
	weather := server.New("weather", "1.0.0")
	server.AddTool(weather, "forecast", "Weather forecast for a city", forecast, server.ReadOnly())

	dir, err := os.MkdirTemp("", "holdfast")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	node, err := holdfast.Open(ctx, holdfast.Config{DataDir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := node.Mount("weather", weather); err != nil {
		fmt.Println(err)
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error, 1)
	go func() { served <- node.Serve(ctx, l) }()

	c, err := client.Connect(ctx, client.HTTP("http://"+l.Addr().String()+"/mcp"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for tool, err := range c.Tools(ctx) {
		fmt.Println(tool.Name, err)
	}
	result, err := c.CallTool(ctx, "weather__forecast", forecastIn{City: "Bergen"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Text())
	c.Close()
	stop()
	fmt.Println("stopped:", <-served)
	// Output:
	// weather__forecast <nil>
	// Sunny in Bergen
	// stopped: <nil>
}
