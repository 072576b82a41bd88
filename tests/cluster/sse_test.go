// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/sse"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestSSEPostsMeetDifferentNodes: clients of HTTP+SSE, whose stream stays at one
// node, need no stickiness either.
func TestSSEPostsMeetDifferentNodes(t *testing.T) {
	nodes := startNodes(t, 3)
	t.Run("calls", func(t *testing.T) { sseCalls(t, nodes) })
	t.Run("ends", func(t *testing.T) { sseEnds(t, nodes) })
}

// sseCalls has an echo, a question to the client and progress of a call, each
// several times, so that their messages meet every node.
func sseCalls(t *testing.T, nodes *nodes) {
	var progress atomic.Int32
	c, err := client.Connect(t.Context(), client.SSE("http://"+nodes.all[0].listen+"/sse"),
		client.RoundTripper(&rotating{c: nodes}),
		client.OnElicit(func(context.Context, *mcp.ElicitParams) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: jsonrpc.Raw(`{"answer":"forty-two"}`)}, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	call := func(tool string, args map[string]any, opts ...client.CallOption) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		res, err := c.CallTool(ctx, tool, args, opts...)
		if err != nil {
			t.Fatalf("%s: %v", tool, err)
		}
		return res.Content[0].Text
	}
	for i := range 9 {
		if got := call("echo", map[string]any{"text": fmt.Sprint(i)}); got != fmt.Sprint(i) {
			t.Errorf("echo %d = %q", i, got)
		}
	}
	for range 3 {
		if got := call("ask", map[string]any{"question": "What is it?"}); !strings.Contains(got, "forty-two") {
			t.Errorf("ask = %q", got)
		}
		call("sleep", map[string]any{"seconds": 0.1}, client.OnProgress(func(client.Progress) { progress.Add(1) }))
	}
	if progress.Load() == 0 {
		t.Error("no progress was heard of")
	}
}

// sseEnds: when a node leaves, or dies, its streams end soon and every other node
// says so.
func sseEnds(t *testing.T, nodes *nodes) {
	stays := nodes.all[1]
	for _, i := range []int{0, 2} {
		n := nodes.all[i]
		resp, err := http.Get("http://" + n.listen + "/sse")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		stream := sse.NewReader(resp.Body, 1<<20)
		first, err := stream.Read()
		if err != nil {
			t.Fatal(err)
		}
		post := func() (int, string) {
			resp, err := http.Post("http://"+stays.listen+"/"+string(first.Data), "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			return resp.StatusCode, string(body)
		}
		if status, body := post(); status != 202 {
			t.Fatalf("%s: a message by way of another node: %d %s", n.Name, status, body)
		}
		if e, err := stream.Read(); err != nil || !strings.Contains(string(e.Data), `"result":{}`) {
			t.Errorf("%s: event %s, %v", n.Name, e.Data, err)
		}
		began := time.Now()
		if i == 0 {
			n.leave()
		} else {
			n.kill()
		}
		if _, err := stream.Read(); err == nil {
			t.Errorf("%s: the stream goes on", n.Name)
		}
		if took := time.Since(began); took > 8*time.Second { // the drain's limit is 10 s
			t.Errorf("%s: ended after %v", n.Name, took)
		}
		if status, body := post(); status != 404 || !strings.Contains(body, "open a stream again") {
			t.Errorf("%s has ended: %d %s", n.Name, status, body)
		}
	}
}
