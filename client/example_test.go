// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

// A client finds out by itself what a server speaks, and answers its questions
// by the same handler in every revision.
func ExampleConnect() {
	type place struct {
		City string `json:"city"`
	}
	weather := server.New("weather", "1.0.0")
	server.AddTool(weather, "forecast", "Weather forecast for a city",
		func(_ context.Context, _ *server.Request, in place) (string, error) {
			return "Sunny in " + in.City, nil
		})
	defer weather.Close()
	host := httptest.NewServer(weather)
	defer host.Close()

	ctx := context.Background()
	c, err := client.Connect(ctx, client.HTTP(host.URL+"/mcp"),
		client.OnElicit(func(context.Context, *mcp.ElicitParams) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: mcp.ActionDecline}, nil
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for tool, err := range c.Tools(ctx) {
		fmt.Println(tool.Name, err)
	}
	result, err := c.CallTool(ctx, "forecast", place{City: "Bergen"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.ServerInfo().Name, c.Features().Era, result.Text())
	// Output:
	// forecast <nil>
	// weather modern Sunny in Bergen
}
