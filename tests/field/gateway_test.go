// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/loopbacktest"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/tests/gobuild"
)

const (
	answerTimeout = 30 * time.Second // until a Holdfast that was started answers
	listedTimeout = 20 * time.Second // from then on, until servers that are not late are listed
	stopTimeout   = 20 * time.Second
	maxShown      = 16 << 10 // bytes of Holdfast's log, after a failure
)

// built are the programs of this run.
var built struct {
	dir  string
	once [2]func() (string, error)
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "holdfast-field-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "field:", err)
		os.Exit(1)
	}
	built.dir = dir
	for i, path := range programs {
		built.once[i] = sync.OnceValues(func() (string, error) { return build(path) })
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// programs are those of this repository that the tests run.
var programs = [2]string{"tests/field/odd", "cmd/holdfast"}

func build(path string) (string, error) {
	bin := filepath.Join(built.dir, filepath.Base(path))
	return bin, gobuild.Programs(context.Background(), map[string]string{bin: path})
}

// program returns the path of a program, built once per run.
func program(t *testing.T, path string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts whole programs")
	}
	bin, err := built.once[slices.Index(programs[:], path)]()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// gateway is a Holdfast that serves one table.
type gateway struct {
	t     *testing.T
	began time.Time
	addr  string
	web   string // URL of the HTTP servers behind it
	log   *logged
}

// logged is what a process writes, read while it does.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// startGateway starts a Holdfast in front of variants and returns when it answers.
func startGateway(t *testing.T, table string, variants []Variant) *gateway {
	t.Helper()
	web := httptest.NewServer(NewWeb(variants))
	t.Cleanup(web.Close)
	addr, err := loopbacktest.Free()
	if err != nil {
		t.Fatal(err)
	}
	file, holdfast := configure(t, table, variants, web.URL), program(t, "cmd/holdfast")
	g := &gateway{t: t, began: time.Now(), addr: addr, web: web.URL, log: new(logged)}
	g.run(exec.Command(holdfast, "serve", "--log-level", "debug", "--config", file, "--listen", addr, "--data", filepath.Join(t.TempDir(), "data")))
	return g
}

// configure writes a configuration with variants, of which those that speak HTTP are at web, and returns its path.
func configure(t *testing.T, table string, variants []Variant, web string) string {
	t.Helper()
	odd := program(t, "tests/field/odd")
	servers := make(map[string]any)
	for _, v := range variants {
		entry := map[string]any{"command": odd, "args": []string{"stdio", table, v.Name}}
		if v.HTTP != nil {
			entry = map[string]any{"type": "http", "url": web + "/" + v.Name + "/mcp"}
		}
		for key, value := range v.Config {
			entry[key] = value
		}
		servers[v.Name] = entry
	}
	config, err := json.Marshal(map[string]any{"mcpServers": servers}, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "mcp.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (g *gateway) url(path string) string { return "http://" + g.addr + path }

// run starts the process, waits until it answers, and ends it after the test.
func (g *gateway) run(cmd *exec.Cmd) {
	g.t.Helper()
	cmd.Stdout, cmd.Stderr = g.log, g.log
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	g.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(stopTimeout):
			g.t.Error("Holdfast does not stop")
			_ = cmd.Process.Kill()
			<-ended
		}
		if g.t.Failed() {
			text := g.log.String()
			g.t.Logf("the end of Holdfast's log:\n%s", text[max(0, len(text)-maxShown):])
		}
	})
	asking := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for time.Since(g.began) < answerTimeout {
		select {
		case <-ended:
			g.t.Fatalf("Holdfast ended:\n%s", g.log)
		case <-time.After(20 * time.Millisecond):
		}
		res, err := asking.Get(g.url("/readyz"))
		if err != nil {
			continue
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return
		}
	}
	g.t.Fatalf("Holdfast does not answer within %v:\n%s", answerTimeout, g.log)
}

// await waits until the tools of all variants are listed, each as long as it may take, and returns by their names what
// came too late.
func (g *gateway) await(variants []Variant) map[string]string {
	g.t.Helper()
	c, err := client.Connect(g.t.Context(), client.HTTP(g.url("/mcp")))
	if err != nil {
		g.t.Fatal(err)
	}
	defer c.Close()
	missing := slices.DeleteFunc(slices.Clone(variants), func(v Variant) bool { return v.Down != "" })
	late, listening := make(map[string]string), time.Since(g.began)
	for len(missing) > 0 {
		listed := g.listed(c)
		since := time.Since(g.began)
		missing = slices.DeleteFunc(missing, func(v Variant) bool {
			limit := listening + max(v.Late, listedTimeout)
			if since > limit && !listed[v.Name+"__echo"] {
				late[v.Name] = fmt.Sprintf("not listed %v after the start", since.Round(time.Second))
				return true
			}
			return listed[v.Name+"__echo"]
		})
		time.Sleep(100 * time.Millisecond)
	}
	return late
}

// listed returns the names of all tools, whatever else their entries hold.
func (g *gateway) listed(c *client.Client) map[string]bool {
	g.t.Helper()
	names, params := make(map[string]bool), jsonrpc.Raw(`{}`)
	for {
		result, err := c.Call(g.t.Context(), "tools/list", params, client.CallOptions{})
		if err != nil {
			g.t.Fatal(err)
		}
		tools, _ := jsonrpc.Get(result, "tools")
		for tool := range jsonrpc.Elements(tools) {
			raw, _ := jsonrpc.Get(tool, "name")
			name, _ := jsonrpc.Unquote(raw)
			names[name] = true
		}
		next, more := jsonrpc.Get(result, "nextCursor")
		if !more {
			return names
		}
		params = jsonrpc.Set(nil, "cursor", next)
	}
}

// testLog holds that the log says of a server what it must.
func (g *gateway) testLog(t *testing.T, v Variant) {
	var about []string
	for line := range strings.Lines(g.log.String()) {
		if strings.Contains(line, "server="+v.Name+" ") || strings.HasSuffix(strings.TrimSpace(line), "server="+v.Name) || strings.Contains(line, v.Name+":") ||
			strings.Contains(line, " starting: ") && strings.Contains(line, " "+v.Name+",") { // the summary
			about = append(about, line)
		}
	}
	for _, want := range []string{v.Down, v.Logged} {
		if want != "" && !slices.ContainsFunc(about, func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("no line about it holds %q:\n%s", want, strings.Join(about, ""))
		}
	}
}
