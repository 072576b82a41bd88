// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
	"github.com/holdfast-mcp/holdfast/transport"
)

// TestStartWaitsForNobody holds that a server which hangs delays neither the start nor
// any greeting, over stdio too, and others' lists by a second.
func TestStartWaitsForNobody(t *testing.T) {
	for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
		synctest.Test(t, func(t *testing.T) {
			good := server.New("good", "1")
			server.AddTool(good, "one", "One", func(context.Context, *server.Request, struct{}) (*mcp.CallToolResult, error) {
				return &mcp.CallToolResult{}, nil
			})
			defer good.Close()
			hangs := func(ctx context.Context) (transport.Conn, error) {
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}
			n := New(Config{File: config.Default(), Memory: true, Data: t.TempDir(), Log: slog.New(slog.DiscardHandler), Mounts: []Mount{
				{Name: "hangs", Dial: hangs, Pool: config.Pool{Start: time.Hour}}, {Name: "good", Server: good},
			}})
			took := func(what string, want time.Duration, f func() error) {
				t.Helper()
				began := time.Now()
				if err := f(); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				if got := time.Since(began); got != want {
					t.Errorf("%v: %s took %v, want %v", era, what, got, want)
				}
			}
			took("the start", 0, func() error { return n.Start(t.Context()) })
			near, far := transport.Pipe()
			served := make(chan error)
			go func() { served <- n.ServeStdio(t.Context(), far) }()
			var c *client.Client
			took("the greeting", 0, func() (err error) {
				c, err = client.Connect(t.Context(), client.Conn(near), client.ForceEra(era))
				return err
			})
			var tools []string
			took("the first list", listEnough, func() error {
				for tool, err := range c.Tools(t.Context()) {
					if err != nil {
						return err
					}
					tools = append(tools, tool.Name)
				}
				return nil
			})
			if diff := cmp.Diff([]string{"good__one"}, tools); diff != "" {
				t.Errorf("tools (-want +got):\n%s", diff)
			}
			took("a call", 0, func() error { _, err := c.CallTool(t.Context(), "good__one", nil); return err })
			c.Close()
			if err := <-served; err != nil {
				t.Error(err)
			}
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
