// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"testing"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

func TestInMemoryInBothEras(t *testing.T) {
	for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
		s := newKitchen()
		entered, left := make(chan struct{}), make(chan error, 1)
		server.AddTool(s, "wait", "", func(ctx context.Context, _ *server.Request, _ server.None) (string, error) {
			close(entered)
			<-ctx.Done()
			left <- ctx.Err()
			return "", ctx.Err()
		})
		c, err := client.Connect(t.Context(), client.Server(s), client.ForceEra(era))
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.CallTool(t.Context(), "order", order{Items: []item{{"soup", 2}}})
		var b bill
		if err != nil || res.UnmarshalInto(&b) != nil || b.Total != 5 {
			t.Errorf("era %v: %+v, %v", era, res, err)
		}
		failed := make(chan error, 1)
		go func() {
			_, err := c.CallTool(t.Context(), "wait", nil)
			failed <- err
		}()
		<-entered
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := <-left; err == nil {
			t.Error("the handler was not told that its client has gone")
		}
		if err := <-failed; !errors.Is(err, client.ErrClosed) {
			t.Errorf("the call ended with %v", err)
		}
		s.Close()
	}
}
