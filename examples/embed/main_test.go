// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"

	"github.com/holdfast-mcp/holdfast"
	"github.com/holdfast-mcp/holdfast/client"
)

func Example() {
	dir, err := os.MkdirTemp("", "embed")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	node, err := start(ctx, holdfast.Config{DataDir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Close()
	web := httptest.NewServer(pages(node))
	defer web.Close()
	c, err := client.Connect(ctx, client.HTTP(web.URL+"/mcp"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	result, err := c.CallTool(ctx, "sums__add", addIn{A: 1, B: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Text())
	// Output: 3
}
