// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// checker sends each request to the next node that its health checks found
// ready, on connections that it keeps. It repeats nothing, except that a node
// which cannot be dialled is passed over.
type checker struct {
	c    *nodes
	tr   *http.Transport
	turn atomic.Int64
	down []atomic.Bool
}

// checks is the interval of the health checks.
const checks = time.Second

// check starts a checker over nodes that are ready; it ends with the test.
func check(t *testing.T, c *nodes) *checker {
	b := &checker{c: c, tr: &http.Transport{MaxIdleConnsPerHost: 100}, down: make([]atomic.Bool, len(c.all))}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i, n := range c.all {
		wg.Go(func() {
			for ctx.Err() == nil {
				resp, err := b.tr.RoundTrip(must(http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.listen+"/readyz", nil)))
				if err == nil {
					resp.Body.Close()
				}
				b.down[i].Store(err != nil || resp.StatusCode != http.StatusOK)
				select {
				case <-ctx.Done():
				case <-time.After(checks):
				}
			}
		})
	}
	t.Cleanup(func() { cancel(); wg.Wait(); b.tr.CloseIdleConnections() })
	return b
}

func must(r *http.Request, err error) *http.Request {
	if err != nil {
		panic(err)
	}
	return r
}

func (b *checker) RoundTrip(req *http.Request) (*http.Response, error) {
	err := errors.New("no node is ready")
	for range 2 * len(b.c.all) {
		i := int(b.turn.Add(1)) % len(b.c.all)
		if b.down[i].Load() {
			continue
		}
		next := req.Clone(req.Context())
		next.URL.Host, next.Host = b.c.all[i].listen, b.c.all[i].listen
		if req.GetBody != nil {
			if next.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
			next.GetBody = nil // so that net/http does not repeat it either
		}
		var resp *http.Response
		resp, err = b.tr.RoundTrip(next)
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			continue
		}
		return resp, err
	}
	return nil, err
}

// TestRollingRestartLosesNothing: nodes are restarted one after the other under
// load, and every call of every client is answered.
func TestRollingRestartLosesNothing(t *testing.T) {
	restartAll(t, startNodes(t, 3), func(client, n int) (string, map[string]any) {
		switch client / 2 {
		case 0:
			return "sleep", map[string]any{"seconds": 0.5}
		case 1:
			return "ask", map[string]any{"question": "What is it?"}
		}
		return "echo", map[string]any{"text": fmt.Sprint(n)}
	})
}

// TestRollingRestartMovesProcesses: the same where each session has a process of
// its own, which ends with its node: the next call finds another.
func TestRollingRestartMovesProcesses(t *testing.T) {
	dir := t.TempDir()
	script, config := filepath.Join(dir, "counter.sh"), filepath.Join(dir, "holdfast.yaml")
	for path, body := range map[string]string{
		script: counter, config: fmt.Sprintf("mcpServers:\n  c: {command: sh, args: [%q], sharing: session}\n", script),
	} {
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	restartAll(t, startNodes(t, 3, "--config", config), func(int, int) (string, map[string]any) { return "c__next", nil })
}

// restartAll restarts nodes one after the other while clients make the calls that next
// names, and reports each that failed.
func restartAll(t *testing.T, nodes *nodes, next func(client, n int) (tool string, args map[string]any)) {
	b := check(t, nodes)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	worked, failed := 0, map[string]int{}
	note := func(what string, err error) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			worked++
		case ctx.Err() == nil:
			failed[what+": "+err.Error()]++
		}
	}
	for i := range 16 {
		era := []mcp.Era{mcp.Legacy, mcp.Modern}[i%2]
		c := connect(t, nodes, era, client.RoundTripper(b))
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				tool, args := next(i, n)
				call, stop := context.WithTimeout(ctx, 20*time.Second)
				res, err := c.CallTool(call, tool, args)
				stop()
				if err == nil && res.IsError {
					err = errors.New(res.Text())
				}
				note(era.String()+" "+tool, err)
			}
		})
	}
	for _, n := range nodes.all {
		time.Sleep(time.Second)
		n.leave()
		nodes.start(n)
		nodes.ready(n)
		time.Sleep(2 * checks) // until the checker knows
	}
	cancel()
	wg.Wait()
	t.Logf("%d calls worked", worked)
	if worked < 1000 {
		t.Errorf("only %d calls worked", worked)
	}
	for err, n := range failed {
		t.Errorf("%d times %s", n, err)
	}
}
