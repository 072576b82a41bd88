// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
)

// eras are the clients of both eras that stand in front of the servers of TestServersBehindTheGateway.
var eras = []dialect{
	{"TypeScript SDK 1", legacyTS, "", legacyVersion},
	{"TypeScript SDK 2, legacy", modernTS, "legacy", legacyVersion},
	{"TypeScript SDK 2, modern", modernTS, "modern", modernVersion},
	{"Go SDK, legacy", goSDK, "legacy", legacyVersion},
	{"Go SDK, modern", goSDK, "modern", modernVersion},
	{"Holdfast, legacy", own, "legacy", legacyVersion},
	{"Holdfast, modern", own, "modern", modernVersion},
}

// legacy reports whether a client in this dialect is of the legacy era.
func (d dialect) legacy() bool { return d.version != modernVersion }

// entry is a server in the configuration.
type entry struct {
	name   string
	config map[string]any
	kit    toolkit
	lacks  lacks
}

// lacks are the features that a server has no way to offer however it is reached, or that do not come through the
// gateway by design; docs/bridge.md has the reasons. What happens instead is checked.
type lacks struct {
	asking  bool // stateless and legacy: there is no way for an answer
	shared  bool // legacy, over one stream that all clients share: after one of them has cancelled a call, questions are nobody's
	quiet   bool // likewise: after calls of two of them, log messages are nobody's
	state   bool // each call of a modern client has a process of its own: what a call sets going ends with it
	logging bool // messages come outside any call's stream
	updates bool // no stream to send them on
	lists   bool // changes of lists stay within a session, or there is no stream
	cancel  bool // no way to say which call
}

// of returns what a server lacks for the clients in a dialect, which come in order.
func (l lacks) of(d dialect) lacks {
	later := d != eras[0]
	l.shared, l.quiet = l.shared && later, l.quiet && later
	l.state = l.state && !d.legacy()
	return l
}

// TestServersBehindTheGateway has the official servers behind one gateway, reached in every way, and in front of each
// the clients of both eras. Each server takes its clients one by one; the servers work at the same time.
func TestServersBehindTheGateway(t *testing.T) {
	entries := startServers(t)
	g := newGatewayOf(t, entries)
	var all sync.WaitGroup
	for _, e := range entries {
		all.Go(func() {
			for _, d := range eras {
				t.Run(e.name+"/"+d.name, func(t *testing.T) { newCell(t, g, e, d).testAll() })
			}
		})
	}
	all.Wait()
	t.Run("merged", func(t *testing.T) {
		for _, d := range eras {
			t.Run(d.name, func(t *testing.T) { testMerged(t, g, entries, d) })
		}
	})
}

// startServers starts the HTTP servers and returns all servers as the configuration has them.
func startServers(t *testing.T) []entry {
	t.Helper()
	url := func(kind, at string) map[string]any { return map[string]any{"type": kind, "url": at} }
	command := func(args []string, more map[string]any) map[string]any {
		c := map[string]any{"command": args[0], "args": args[1:]}
		for k, v := range more {
			c[k] = v
		}
		return c
	}
	addr := freeAddress(t)
	kit := serve(t, addr, binary(t, "tests/e2e/gosdk/kit"), "-listen", addr)
	return []entry{
		{"every-stdio", command(everything(t), nil), referenceKit, lacks{shared: true, quiet: true}},
		{"every-session", command(everything(t), map[string]any{"sharing": "session"}), referenceKit, lacks{lists: true, state: true}},
		{"every-http", url("http", serveEverything(t, "streamableHttp").url("/mcp")), referenceKit, lacks{lists: true, logging: true}},
		{"every-sse", url("sse", serveEverything(t, "sse").url("/sse")), referenceKit, lacks{lists: true, shared: true, quiet: true}},
		{"kit-stdio", command([]string{binary(t, "tests/e2e/gosdk/kit")}, nil), sdkKit, lacks{}},
		{"kit-stateful", url("http", kit.url("/stateful")), sdkKit, lacks{}},
		{"kit-stateless", url("http", kit.url("/stateless")), sdkKit, lacks{}},
		{"kit-sse", url("sse", kit.url("/sse")), sdkKit, lacks{quiet: true}},
		{"kit-old", url("http", kit.url("/old")), sdkKit, lacks{asking: true, updates: true, lists: true, cancel: true}},
	}
}

// serveEverything serves the reference server over HTTP in one of its modes.
func serveEverything(t *testing.T, mode string) *service {
	t.Helper()
	addr := freeAddress(t)
	args := everything(t)
	cmd := exec.Command(args[0], append(args[1:len(args)-1], mode)...)
	cmd.Env = append(os.Environ(), "PORT="+addr[strings.LastIndexByte(addr, ':')+1:])
	return serveCommand(t, addr, cmd)
}

// newGatewayOf starts a gateway in front of servers.
func newGatewayOf(t *testing.T, entries []entry) *service {
	t.Helper()
	dir := t.TempDir()
	servers := make(map[string]any)
	for _, e := range entries {
		servers[e.name] = e.config
	}
	config, err := json.Marshal(map[string]any{"mcpServers": servers}, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "mcp.json")
	if err := os.WriteFile(file, config, 0o644); err != nil {
		t.Fatal(err)
	}
	addr, data := freeAddress(t), filepath.Join(dir, "data")
	s := serve(t, addr, binary(t, "cmd/holdfast"), "serve", "--config", file, "--listen", addr, "--data", data)
	awaitServers(t, data)
	return s
}

// awaitServers waits until no server is starting any more: the gateway serves before.
func awaitServers(t *testing.T, data string) {
	t.Helper()
	eventually(t, readyTimeout, "the servers to have started", func() bool {
		out, err := exec.Command(binary(t, "cmd/holdfast"), "servers", "--json", "--data", data).Output()
		return err == nil && !bytes.Contains(out, []byte(`"starting"`))
	})
}
