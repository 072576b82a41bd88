// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

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

// TestTypesAreShared holds that a client encodes arguments, and decodes results, by
// the types of the server.
func TestTypesAreShared(t *testing.T) {
	type wait struct {
		For  time.Duration `json:"for"`
		At   *url.URL      `json:"at"`
		Note string        `json:"note"`
	}
	s := server.New("test", "1")
	defer s.Close()
	server.AddTool(s, "wait", "", func(_ context.Context, _ *server.Request, in wait) (wait, error) { return in, nil })
	c, err := client.Connect(t.Context(), client.Server(s))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	u, _ := url.Parse("https://example.com/a")
	var back wait
	res, err := c.CallTool(t.Context(), "wait", wait{For: 90 * time.Minute, At: u, Note: "a\xffb"})
	if err != nil || res.UnmarshalInto(&back) != nil || back.For != 90*time.Minute || *back.At != *u || back.Note != "a\uFFFDb" {
		t.Errorf("%+v, %v, %+v", res, err, back)
	}
}

func TestContentsThatAreNotUTF8(t *testing.T) {
	s := server.New("test", "1")
	defer s.Close()
	s.AddResource(mcp.Resource{URI: "x:r", Name: "r\xff"}, func(context.Context, *server.Request) (*mcp.ReadResourceResult, error) {
		return server.TextResource("text/plain", "r\xff"), nil
	})
	s.AddPrompt(mcp.Prompt{Name: "p", Description: "\xff"}, func(context.Context, *server.Request, map[string]string) (*mcp.GetPromptResult, error) {
		return &mcp.GetPromptResult{Description: "\xff", Messages: []mcp.PromptMessage{{Role: "user", Content: mcp.Text("p\xff")}}}, nil
	})
	server.AddTool(s, "t", "\xff", func(context.Context, *server.Request, server.None) ([]mcp.Content, error) {
		return []mcp.Content{{Type: "resource_link", URI: "x:r", Name: "l\xff"}, mcp.Image(nil, "\xff")}, nil
	})
	c, err := client.Connect(t.Context(), client.Server(s))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if res, err := c.ReadResource(t.Context(), "x:r"); err != nil || res.Contents[0].Text != "r\uFFFD" {
		t.Errorf("resource: %+v, %v", res, err)
	}
	if res, err := c.GetPrompt(t.Context(), "p", nil); err != nil || res.Messages[0].Content.Text != "p\uFFFD" {
		t.Errorf("prompt: %+v, %v", res, err)
	}
	if res, err := c.CallTool(t.Context(), "t", nil); err != nil || res.Content[0].Name != "l\uFFFD" {
		t.Errorf("tool: %+v, %v", res, err)
	}
}
