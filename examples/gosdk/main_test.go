// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/holdfast-mcp/holdfast"
	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestGreeter asks a user in both eras, though the server knows of none.
func TestGreeter(t *testing.T) {
	node, err := newNode(t.Context(), holdfast.Config{DataDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(node.Handler())
	defer web.Close()
	for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
		c, err := client.Connect(t.Context(), client.HTTP(web.URL+"/mcp"), client.ForceEra(era),
			client.OnElicit(func(context.Context, *mcp.ElicitParams) (*mcp.ElicitResult, error) {
				return &mcp.ElicitResult{Action: mcp.ActionAccept, Content: client.Raw(`{"name":"Ada"}`)}, nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		if res, err := c.CallTool(t.Context(), "greeter__greet", nil); err != nil || res.Text() != "Hello, Ada" {
			t.Errorf("%s: %+v, %v", era, res, err)
		}
		c.Close()
	}
}
