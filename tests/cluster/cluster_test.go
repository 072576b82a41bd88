// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// connect returns a client each of whose requests goes to another node.
func connect(t *testing.T, c *nodes, era mcp.Era, opts ...client.Option) *client.Client {
	t.Helper()
	opts = append([]client.Option{
		client.RoundTripper(&rotating{c: c}), client.ForceEra(era),
		client.OnElicit(func(context.Context, *mcp.ElicitParams) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: jsonrpc.Raw(`{"answer":"forty-two"}`)}, nil
		}),
	}, opts...)
	cl, err := client.Connect(t.Context(), client.HTTP("http://"+c.all[0].listen+"/mcp"), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cl.Close() })
	return cl
}

func text(t *testing.T, c *client.Client, tool string, args map[string]any) string {
	t.Helper()
	res, err := c.CallTool(t.Context(), tool, args)
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	return res.Content[0].Text
}

// TestRequestsMeetDifferentNodes: sessions, questions and their answers work
// although nothing sticks to a node.
func TestRequestsMeetDifferentNodes(t *testing.T) {
	nodes := startNodes(t, 3)
	for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
		t.Run(era.String(), func(t *testing.T) {
			c := connect(t, nodes, era)
			for i := range 12 {
				if got := text(t, c, "echo", map[string]any{"text": fmt.Sprint(i)}); got != fmt.Sprint(i) {
					t.Errorf("echo %d = %q", i, got)
				}
			}
			for range 6 {
				if got := text(t, c, "ask", map[string]any{"question": "What is it?"}); !strings.Contains(got, "forty-two") {
					t.Errorf("ask = %q", got)
				}
			}
			if era == mcp.Legacy {
				if err := c.SetLogLevel(t.Context(), "error"); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestSessionsSurviveKills: a node dies by kill -9 under load and comes back;
// no session is lost, and every call has an outcome.
func TestSessionsSurviveKills(t *testing.T) {
	nodes := startNodes(t, 3)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	worked, failed := 0, []error(nil)
	for i := range 20 {
		era := mcp.Legacy
		if i%2 == 1 {
			era = mcp.Modern
		}
		c := connect(t, nodes, era) // one session for the whole test: it does not initialize again
		wg.Go(func() {
			for ctx.Err() == nil {
				call, stop := context.WithTimeout(ctx, 20*time.Second)
				_, err := c.CallTool(call, "echo", map[string]any{"text": "x"})
				stop()
				mu.Lock()
				switch {
				case err == nil:
					worked++
				case ctx.Err() == nil:
					failed = append(failed, err)
				}
				mu.Unlock()
			}
		})
	}
	for round := range 3 {
		time.Sleep(700 * time.Millisecond)
		n := nodes.all[round]
		n.kill()
		time.Sleep(1500 * time.Millisecond)
		nodes.start(n)
		nodes.ready(n)
	}
	time.Sleep(500 * time.Millisecond)
	cancel()
	wg.Wait()
	t.Logf("%d calls worked, %d failed", worked, len(failed))
	if worked < 100 {
		t.Errorf("only %d calls worked", worked)
	}
	alike := map[string]int{}
	for _, err := range failed {
		alike[err.Error()]++
		e, refused := errors.AsType[*client.HTTPError](err)
		if refused && e.Status == http.StatusNotFound || strings.Contains(err.Error(), "session") {
			t.Errorf("a session was lost: %v", err)
		}
	}
	for err, n := range alike {
		if n > 60 { // what was in flight at a kill: at most all clients, three times
			t.Errorf("%d calls failed: %s", n, err)
		}
	}
	if len(failed) > 120 { // and what the kernel still took while the process ended
		t.Errorf("too many failed: %v", errors.Join(failed...))
	}
}

// TestOneNodeAlone: what a session changed outlives kill -9, and moves into a
// cluster when the node grows to three.
func TestOneNodeAlone(t *testing.T) {
	nodes := startNodes(t, 1)
	alone := nodes.all[0]
	c := connect(t, nodes, mcp.Legacy)
	if err := c.SetLogLevel(t.Context(), "error"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		alone.kill()
		nodes.start(alone)
		nodes.ready(alone)
		if got := text(t, c, "echo", map[string]any{"text": "still"}); got != "still" {
			t.Errorf("after a crash: %q", got)
		}
	}
	alone.leave()
	nodes.grow()
	for i := range 6 {
		if got := text(t, c, "echo", map[string]any{"text": "grown"}); got != "grown" {
			t.Errorf("request %d after growing: %q", i, got)
		}
	}
	if log := alone.Log(1000); !strings.Contains(log, "took over what this node kept alone") {
		t.Error("the cluster did not take over what the node kept")
	}
}

// counter is a stdio server that counts its calls: its state is its process's.
const counter = `n=0
while read -r line; do
  id=${line#*\"id\":}; id=${id%%,*}; id=${id%%\}*}
  case $line in
  *'"initialize"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"counter","version":"1"}}}\n' "$id";;
  *'"tools/list"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"next","description":"Counts","inputSchema":{"type":"object"}}]}}\n' "$id";;
  *'"tools/call"'*) n=$((n+1)); printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"%s"}]}}\n' "$id" "$n";;
  *'"id"'*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id";;
  esac
done`

// TestProcessOfASessionIsOne: a child process that belongs to a session is one,
// whatever node a request meets.
func TestProcessOfASessionIsOne(t *testing.T) {
	dir := t.TempDir()
	script, config := filepath.Join(dir, "counter.sh"), filepath.Join(dir, "holdfast.yaml")
	for path, body := range map[string]string{
		script: counter, config: fmt.Sprintf("mcpServers:\n  c: {command: sh, args: [%q], sharing: session}\n", script),
	} {
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	nodes := startNodes(t, 3, "--config", config)
	one, two := connect(t, nodes, mcp.Legacy), connect(t, nodes, mcp.Legacy)
	for i := range 9 {
		for name, c := range map[string]*client.Client{"first": one, "second": two} {
			if got := text(t, c, "c__next", nil); got != fmt.Sprint(i+1) {
				t.Errorf("the %s session's call %d met a process that counts %s", name, i+1, got)
			}
		}
	}
}
