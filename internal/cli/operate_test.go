// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/control"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// asked runs a command that prints JSON.
func asked[T any](t *testing.T, args ...string) T {
	t.Helper()
	code, out, errs := run(t, args...)
	var v T
	if err := json.Unmarshal([]byte(out), &v); code != 0 || err != nil {
		t.Fatalf("%v = %d %q %q: %v", args, code, out, errs, err)
	}
	return v
}

func TestKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := t.TempDir()
	s := startServing(t, "--data", dir)
	if info, err := os.Stat(filepath.Join(dir, "control.sock")); err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	c := connectTo(t, client.HTTP(s.url), client.ForceEra(mcp.Legacy))
	before := asked[[]control.Key](t, "keys", "--json", "--data", dir)
	if len(before) != 1 || !before[0].Seals || !before[0].Expires.IsZero() {
		t.Fatalf("at first: %+v", before)
	}
	code, out, errs := run(t, "keys", "rotate", "--data", dir)
	if code != 0 || !strings.Contains(out, time.Now().AddDate(0, 0, 30).UTC().Format(time.DateOnly)) {
		t.Errorf("rotate = %d %q %q", code, out, errs)
	}
	after := asked[[]control.Key](t, "keys", "--json", "--data", dir)
	if len(after) != 2 || after[0].Seals || !after[1].Seals || after[1].ID != before[0].ID || after[1].Expires.IsZero() {
		t.Fatalf("at once after: %+v", after)
	}
	if code, out, errs := run(t, "keys", "--data", dir); code != 0 || strings.Count(out, "\n") != 3 || !strings.Contains(out, after[0].ID) {
		t.Errorf("keys = %d %q %q", code, out, errs)
	}
	for {
		if list := asked[[]control.Key](t, "keys", "--json", "--data", dir); list[0].Seals {
			break
		}
		time.Sleep(100 * time.Millisecond) // until the new key's time has come
	}
	if got := textOfEcho(t, c); got != "hi" {
		t.Errorf("a session of before: %q", got)
	}
	if got := textOfEcho(t, connectTo(t, client.HTTP(s.url), client.ForceEra(mcp.Legacy))); got != "hi" {
		t.Errorf("a session of after: %q", got)
	}
}

// TestKeysRevoked holds that a key which is kept for no time opens until the moment
// that was printed, and no longer: not for sessions just used, and not for those that
// an earlier rotation would have kept.
func TestKeysRevoked(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := t.TempDir()
	s := startServing(t, "--data", dir)
	ping := func(id string) int {
		status, _, _ := send(t, s.url, probe{headers: []string{"Mcp-Session-Id", id}, body: `{"jsonrpc":"2.0","id":2,"method":"ping"}`})
		return status
	}
	_, _, h := send(t, s.url, probe{body: strings.Replace(legacyHello, "%V", "2025-11-25", 1)})
	used, unused := h.Get("Mcp-Session-Id"), ""
	_, _, h = send(t, s.url, probe{body: strings.Replace(legacyHello, "%V", "2025-11-25", 1)})
	unused = h.Get("Mcp-Session-Id")
	run(t, "keys", "rotate", "--data", dir)
	code, out, errs := run(t, "keys", "rotate", "--keep", "0s", "--data", dir)
	_, said, _ := strings.Cut(strings.TrimSpace(out), "accepted until ")
	until, err := time.Parse(time.RFC3339, said)
	if code != 0 || err != nil {
		t.Fatalf("rotate = %d %q %q, %v", code, out, errs, err)
	}
	if status := ping(used); status != 200 {
		t.Errorf("before that moment: %d", status)
	}
	time.Sleep(time.Until(until.Add(1500 * time.Millisecond))) // printed to the second
	for _, id := range []string{used, unused} {
		if status := ping(id); status != 404 {
			t.Errorf("after that moment: %d", status)
		}
	}
	if list := asked[[]control.Key](t, "keys", "--json", "--data", dir); len(list) != 1 || !list[0].Seals {
		t.Errorf("the ring is %+v", list)
	}
}

func textOfEcho(t *testing.T, c *client.Client) string {
	t.Helper()
	res, err := c.CallTool(t.Context(), "echo", map[string]any{"text": "hi"})
	if err != nil {
		t.Fatal(err)
	}
	return res.Text()
}

func TestNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := t.TempDir()
	s := startServing(t, "--data", dir)
	c := connectTo(t, client.HTTP(s.url), client.ForceEra(mcp.Legacy))
	began, done := sleeping(c, "sleep", 4)
	<-began
	poll(t, "the load", func() bool {
		list := asked[control.Cluster](t, "nodes", "--json", "--data", dir).Nodes
		if len(list) != 1 || !list[0].Self || list[0].State != "ready" || list[0].Suspected {
			t.Fatalf("nodes: %+v", list)
		}
		return list[0].Sessions == 1 && list[0].Calls == 1
	})
	if code, out, errs := run(t, "nodes", "--data", dir); code != 0 || !strings.Contains(out, "this node") {
		t.Errorf("nodes = %d %q %q", code, out, errs)
	}
	<-done
	if code, _, errs := run(t, "nodes", "remove", "--data", dir, "x"); code != 1 || !strings.Contains(errs, "not part of a cluster") {
		t.Errorf("remove = %d %q", code, errs)
	}
}

// TestNodesWhileStarting: who waits for others says which it sees.
func TestNodesWhileStarting(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	s := waiting(t)
	poll(t, "the view", func() bool {
		code, out, _ := run(t, "nodes", "--data", s.data)
		return code == 0 && strings.Contains(out, "joining")
	})
}

func TestNothingRuns(t *testing.T) {
	dir := t.TempDir()
	stale, err := net.Listen("unix", filepath.Join(dir, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false) // as a process leaves it that is killed
	stale.Close()
	for _, data := range []string{dir, t.TempDir()} {
		code, _, errs := run(t, "keys", "--data", data)
		if code != 1 || !strings.Contains(errs, "no holdfast is running") || !strings.Contains(errs, "--data") || strings.Count(errs, "\n") != 1 {
			t.Errorf("keys = %d %q", code, errs)
		}
	}
	startServing(t, "--data", dir)
	if code, _, errs := run(t, "keys", "--data", dir); code != 0 {
		t.Errorf("the socket of a dead process was not replaced: %d %q", code, errs)
	}
}

// TestLongPath: a directory too deep for a socket costs the commands, not serving.
func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 30))
	s := startServing(t, "--data", dir)
	if errs := s.errs.String(); !strings.Contains(errs, "too long") || !strings.Contains(errs, "--data") {
		t.Errorf("log: %q", errs)
	}
	if code, _, errs := run(t, "keys", "--data", dir); code != 1 || !strings.Contains(errs, "too long") {
		t.Errorf("keys = %d %q", code, errs)
	}
}
