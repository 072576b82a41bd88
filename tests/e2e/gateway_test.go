// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// readyTimeout bounds the time until the three npm servers behind the gateway answer.
const readyTimeout = 30 * time.Second

// orphanTimeout bounds the time that children may take to end after their parent was killed.
const orphanTimeout = 10 * time.Second

// gateway is `holdfast serve` in front of the three reference servers.
type gateway struct {
	*service
	files  string // directory that the filesystem server serves
	config string
	data   string
}

// newGateway writes an mcpServers file as any client has it and starts the gateway with it.
func newGateway(t *testing.T) *gateway {
	t.Helper()
	dir := t.TempDir()
	g := &gateway{
		files:  filepath.Join(dir, "files"),
		config: filepath.Join(dir, "mcp.json"),
		data:   filepath.Join(dir, "data"),
	}
	if err := os.Mkdir(g.files, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(g.files, "note.txt"), []byte("kelp and rock\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	g.writeConfig(t, dir)
	g.start(t, freeAddress(t))
	return g
}

func (g *gateway) writeConfig(t *testing.T, dir string) {
	t.Helper()
	server := func(command []string, env map[string]string) map[string]any {
		return map[string]any{"command": command[0], "args": command[1:], "env": env}
	}
	config, err := json.Marshal(map[string]any{"mcpServers": map[string]any{
		"everything": server(everything(t), nil),
		"files":      server(filesystem(t, g.files), nil),
		"memory":     server(memory(t), map[string]string{"MEMORY_FILE_PATH": filepath.Join(dir, "memory.jsonl")}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(g.config, config, 0o644); err != nil {
		t.Fatal(err)
	}
}

// start starts the gateway, also again after it ended.
func (g *gateway) start(t *testing.T, addr string) {
	t.Helper()
	g.service = serve(t, addr, binary(t, "cmd/holdfast"), "serve", "--config", g.config, "--listen", addr, "--data", g.data)
}

// awaitTools lists the tools until all of some are there: the gateway serves before its last server is up.
func awaitTools(t *testing.T, p *peer, want ...string) []string {
	t.Helper()
	var names []string
	eventually(t, readyTimeout, "tools "+strings.Join(want, ", "), func() bool {
		names = p.do(step{"op": "tools"}).names(t)
		return !slices.ContainsFunc(want, func(name string) bool { return !slices.Contains(names, name) })
	})
	return names
}

// gatewayTools is one tool of each server, by the names on the endpoint of all.
var gatewayTools = []string{"everything__echo", "files__read_text_file", "memory__read_graph"}

// TestGatewayServesThreeServers calls one tool of each npm server with every client.
func TestGatewayServesThreeServers(t *testing.T) {
	g := newGateway(t)
	eachDialect(t, func(t *testing.T, d dialect) {
		p, _ := dial(t, d, g.url("/mcp"), nil)
		names := awaitTools(t, p, gatewayTools...)
		for _, name := range names {
			if !strings.Contains(name, "__") || len(name) > 64 {
				t.Errorf("tool %q is not named server__tool", name)
			}
		}
		if got := p.do(step{"op": "call", "name": "everything__echo", "args": step{"message": "salt"}}).text(t); got != "Echo: salt" {
			t.Errorf("everything__echo says %q", got)
		}
		path := filepath.Join(g.files, "note.txt")
		if got := p.do(step{"op": "call", "name": "files__read_text_file", "args": step{"path": path}}).text(t); got != "kelp and rock\n" {
			t.Errorf("files__read_text_file says %q", got)
		}
		entity := step{"name": d.name, "entityType": "client", "observations": []string{"was here"}}
		p.do(step{"op": "call", "name": "memory__create_entities", "args": step{"entities": []step{entity}}})
		if got := p.do(step{"op": "call", "name": "memory__read_graph", "args": step{}}).text(t); !strings.Contains(got, d.name) {
			t.Errorf("memory__read_graph does not know the entity just created: %q", got)
		}
	})
}

// TestGatewayServesEachServerAlone uses one server under its own names.
func TestGatewayServesEachServerAlone(t *testing.T) {
	g := newGateway(t)
	eachDialect(t, func(t *testing.T, d dialect) {
		p, _ := dial(t, d, g.url("/servers/everything/mcp"), nil)
		names := awaitTools(t, p, "echo", "get-sum")
		if slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, "__") }) {
			t.Errorf("tools are %q", names)
		}
		if got := p.do(step{"op": "call", "name": "get-sum", "args": step{"a": 2, "b": 40}}).text(t); !strings.Contains(got, "42") {
			t.Errorf("get-sum says %q", got)
		}
	})
}

// TestGatewayReportsProgressAndCancels does both through to a server process.
func TestGatewayReportsProgressAndCancels(t *testing.T) {
	g := newGateway(t)
	eachDialect(t, func(t *testing.T, d dialect) {
		p, _ := dial(t, d, g.url("/mcp"), nil)
		awaitTools(t, p, gatewayTools...)
		const tool = "everything__trigger-long-running-operation"
		r := p.do(step{"op": "call", "name": tool, "args": step{"duration": 1, "steps": 4}, "progress": true})
		progress := slices.DeleteFunc(r.kinds(), func(kind string) bool { return kind != "progress" })
		if len(progress) < 3 { // the last may come with the result, and a client may then drop it
			t.Errorf("%d progress notifications arrived", len(progress))
		}
		start := time.Now()
		if r := p.try(step{"op": "call", "name": tool, "args": step{"duration": 30, "steps": 3}, "cancelAfterMs": 300}); r.OK {
			t.Errorf("a cancelled call gave %s", r.Result)
		}
		if got := p.do(step{"op": "call", "name": "everything__echo", "args": step{"message": "on"}}).text(t); got != "Echo: on" {
			t.Errorf("after a cancelled call, everything__echo says %q", got)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("cancelling took %v", took)
		}
	})
}

// TestKilledGatewayLeavesNoOrphans kills the gateway as kill -9 does: its children end, and so do theirs.
func TestKilledGatewayLeavesNoOrphans(t *testing.T) {
	g := newGateway(t)
	p, _ := dial(t, dialects[0], g.url("/mcp"), nil)
	awaitTools(t, p, gatewayTools...)
	children := descendants(t, g.cmd.Process.Pid)
	if len(children) < 4 { // three servers and a shell
		t.Fatalf("the gateway has the children %v", children)
	}
	g.kill()
	var left []process
	eventually(t, orphanTimeout, "all children ended", func() bool {
		left = alive(t, children)
		return len(left) == 0
	})
}

// TestStoppedGatewayLeavesNoOrphans stops the gateway by a signal.
func TestStoppedGatewayLeavesNoOrphans(t *testing.T) {
	g := newGateway(t)
	p, _ := dial(t, dialects[0], g.url("/mcp"), nil)
	awaitTools(t, p, gatewayTools...)
	children := descendants(t, g.cmd.Process.Pid)
	g.stop(t)
	if left := alive(t, children); len(left) > 0 {
		t.Errorf("the gateway ended and left %v", left)
	}
}

// TestSessionSurvivesRestart lets clients go on with the session id that they kept, without a new initialize, after
// the gateway was stopped or killed and started again on the same data directory.
func TestSessionSurvivesRestart(t *testing.T) {
	ends := map[string]func(t *testing.T, g *gateway){
		"stopped": func(t *testing.T, g *gateway) { g.stop(t) },
		"killed":  func(_ *testing.T, g *gateway) { g.kill() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			open, session := dial(t, dialects[0], g.url("/mcp"), nil)
			if session.Session == "" {
				t.Fatal("the gateway gave no session id")
			}
			awaitTools(t, open, gatewayTools...)
			end(t, g)
			g.start(t, g.addr)

			// The client that stayed, and one that only has the id.
			kept := startPeer(t, legacyTS)
			kept.do(step{"op": "connect", "url": g.url("/mcp"), "session": session.Session, "version": session.Version})
			for _, p := range []*peer{open, kept} {
				awaitTools(t, p, gatewayTools...)
				if got := p.do(step{"op": "call", "name": "everything__echo", "args": step{"message": "back"}}).text(t); got != "Echo: back" {
					t.Errorf("everything__echo says %q", got)
				}
			}
			kept.do(step{"op": "terminate"})
			if r := open.try(step{"op": "tools"}); r.OK {
				t.Error("the session works after DELETE")
			}
		})
	}
}

// TestStreamSurvivesRestart lets clients of HTTP+SSE, whose SDK opens the stream again by itself, go on after the
// gateway was stopped or killed.
func TestStreamSurvivesRestart(t *testing.T) {
	g := newGateway(t)
	var clients []*peer
	for _, kind := range []sdk{legacyTS, modernTS} {
		p := startPeer(t, kind)
		p.do(step{"op": "connect", "transport": "sse", "url": g.url("/sse"), "era": "legacy", "answers": step{}})
		awaitTools(t, p, gatewayTools...)
		clients = append(clients, p)
	}
	for name, end := range map[string]func(){"stopped": func() { g.stop(t) }, "killed": func() { g.kill() }} {
		end()
		g.start(t, g.addr)
		for _, p := range clients {
			eventually(t, readyTimeout, "a call after the gateway was "+name, func() bool {
				r := p.try(step{"op": "call", "name": "everything__echo", "args": step{"message": "back"}, "timeoutMs": 2000})
				return r.OK && r.text(t) == "Echo: back"
			})
		}
	}
}

// TestSecondGatewayEnds checks that a second gateway on the same data directory or port ends with one line.
func TestSecondGatewayEnds(t *testing.T) {
	g := newGateway(t)
	for name, args := range map[string][]string{
		"port":           {"serve", "--config", g.config, "--listen", g.addr, "--data", t.TempDir()},
		"data directory": {"serve", "--config", g.config, "--listen", freeAddress(t), "--data", g.data},
	} {
		t.Run(name, func(t *testing.T) {
			s := runToEnd(t, binary(t, "cmd/holdfast"), args...)
			if s.cmd.ProcessState.ExitCode() <= 0 {
				t.Errorf("exit code %d", s.cmd.ProcessState.ExitCode())
			}
			if text := strings.TrimSpace(s.log.String()); text == "" || strings.Count(text, "\n") > 2 {
				t.Errorf("it says:\n%s", text)
			}
		})
	}
	if err := g.cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the first gateway: %v", err)
	}
}
