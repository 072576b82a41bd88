// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/transport/stdio"
)

// overStdio runs serve --stdio and returns a client of it; both end with the test.
func overStdio(t *testing.T, args ...string) *client.Client {
	t.Helper()
	in, toServer := io.Pipe()
	fromServer, out := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	var errs output
	env := &Env{In: in, Out: out, Err: &errs, Getenv: os.LookupEnv}
	go func() { // ends with its input or cancel, received below
		code := Run(ctx, env, append([]string{"serve", "--stdio"}, args...))
		out.Close() // so that a client that waits is told
		done <- code
	}()
	t.Cleanup(func() {
		cancel()
		toServer.Close()
		if code := <-done; code != 0 {
			t.Errorf("serve --stdio ended with %d: %s", code, errs.String())
		}
	})
	return connectTo(t, client.Conn(stdio.New(fromServer, toServer, 1<<20)))
}

// TestSeveralOverStdio holds that any number of clients may start Holdfast with one
// data directory, beside one that serves HTTP with it, and that each has its servers.
func TestSeveralOverStdio(t *testing.T) {
	dir, config := t.TempDir(), gatewayConfig(t, "", "")
	seen := map[int]bool{pidOf(t, textOf(t, connectTo(t, client.HTTP(serving(t, "--data", dir, "--config", config))), "a__pid")): true}
	for range 3 {
		c := overStdio(t, "--data", dir, "--config", config)
		pid := pidOf(t, textOf(t, c, "a__pid"))
		if seen[pid] {
			t.Errorf("process %d serves two", pid)
		}
		seen[pid] = true
	}
	nowhere := filepath.Join(config, "no directory") // below a file
	if pid := pidOf(t, textOf(t, overStdio(t, "--data", nowhere, "--config", config), "a__pid")); seen[pid] {
		t.Errorf("process %d serves two", pid)
	}
	t.Setenv("HOME", "")
	t.Setenv("XDG_STATE_HOME", "")
	if pid := pidOf(t, textOf(t, overStdio(t, "--config", config), "a__pid")); seen[pid] {
		t.Errorf("without a home: process %d serves two", pid)
	}
	if code, _, errs := run(t, "serve", "--listen", "127.0.0.1:0", "--data", nowhere); code != 1 || !strings.Contains(errs, "cannot be created") {
		t.Errorf("one that keeps its sessions nowhere: %d %s", code, errs)
	}
	if code, _, errs := run(t, "serve", "--listen", "127.0.0.1:0", "--data", dir); code != 1 {
		t.Errorf("a second one that keeps its sessions there: %d %s", code, errs)
	}
}
