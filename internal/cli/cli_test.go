// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" { // started by a test, as the program itself
		os.Exit(Main())
	}
	if signal.Ignored(syscall.SIGHUP) { // as under nohup, which programs started here would inherit
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	goleak.VerifyTestMain(m)
}

// asProgram is a variable that makes the test binary the program.
const asProgram = "HOLDFAST_TEST_AS_PROGRAM"

// output collects what a command writes; safe for concurrent use.
type output struct {
	mu sync.Mutex
	b  strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) Close() error { return nil }

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func run(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e output
	env := &Env{In: io.NopCloser(strings.NewReader("")), Out: &o, Err: &e, Getenv: os.LookupEnv}
	code = Run(t.Context(), env, args)
	return code, o.String(), e.String()
}

// served is a serve command under way.
type served struct {
	url  string // that it announced
	data string // directory
	stop func() // is Ctrl-C
	done chan struct{}
	code int // once done
	want int // what it should be
	out  *bufio.Reader
	errs output
}

// serving starts serve and returns the URL it announces; it ends with the test.
func serving(t *testing.T, args ...string) string {
	t.Helper()
	return startServing(t, args...).url
}

// startServing starts serve and waits for its announcement; it ends with the test.
func startServing(t *testing.T, args ...string) *served {
	t.Helper()
	s := beginServing(t, args...)
	s.await(t)
	return s
}

// beginServing starts serve; await is next.
func beginServing(t *testing.T, args ...string) *served {
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	s := &served{stop: cancel, done: make(chan struct{}), out: bufio.NewReader(r)}
	env := &Env{In: io.NopCloser(strings.NewReader("")), Out: w, Err: &s.errs, Getenv: os.LookupEnv}
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, args...)
	go func() { // ends with cancel, waited for in the cleanup
		defer close(s.done)
		s.code = Run(ctx, env, args)
		w.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if <-s.done; s.code != s.want {
			t.Errorf("serve ended with %d, want %d: %s", s.code, s.want, s.errs.String())
		}
		r.Close()
	})
	return s
}

// await waits for the announcement.
func (s *served) await(t *testing.T) {
	t.Helper()
	line, err := s.out.ReadString('\n')
	go func() { _, _ = io.Copy(io.Discard, s.out) }() // ends when serve closes its output
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "holdfast is listening on ")
	if err != nil || !ok {
		t.Fatalf("first line %q, %v; %s", line, err, s.errs.String())
	}
	s.url = url
}

// base is the URL of the root.
func (s *served) base() string { return strings.TrimSuffix(s.url, "/mcp") }

// host is the address it listens on.
func (s *served) host() string { return strings.TrimPrefix(s.base(), "http://") }

func TestDemo(t *testing.T) {
	url := serving(t)
	code, out, errs := run(t, "tools", url)
	if code != 0 || !strings.Contains(out, "echo ") || !strings.Contains(out, "sleep ") {
		t.Errorf("tools = %d %q %q", code, out, errs)
	}
	for _, tc := range []struct {
		tool, args string
		code       int
		out        string
	}{
		{"echo", `{"text":"hello"}`, 0, "hello\n"},
		{"add", `{"a":1,"b":2}`, 0, "{\"sum\":3}\n"},
		{"ask", `{"question":"Why?"}`, 0, "The user did not answer (decline).\n"},
		{"add", `{"a":"x","b":2}`, 1, "a"},
		{"nothing", `{}`, 1, ""},
	} {
		code, out, errs := run(t, "call", url, tc.tool, tc.args)
		if code != tc.code || !strings.Contains(out, tc.out) {
			t.Errorf("call %s %s = %d %q %q; want %d %q", tc.tool, tc.args, code, out, errs, tc.code, tc.out)
		}
	}
}

func TestBadUsage(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	unknown := write("mcp.json", "{\"mcpServers\": {\"files\": {\n  \"comand\": \"x\"}}}")
	for _, tc := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"no command", nil, 2, []string{"holdfast serve"}},
		{"unknown command", []string{"srve"}, 2, []string{"unknown command \"srve\""}},
		{"unknown flag", []string{"serve", "--prt", "1"}, 2, []string{"-prt"}},
		{"unknown key", []string{"serve", "--config", unknown}, 2, []string{"mcp.json:2", "comand", "did you mean \"command\""}},
		{"no such file", []string{"serve", "--config", filepath.Join(dir, "no.yaml")}, 2, []string{"no.yaml"}},
		{"bad listen", []string{"serve", "--listen", "nonsense"}, 2, []string{"--listen"}},
		{"port taken", []string{"serve", "--listen", taken.Addr().String(), "--data", dir}, 1, []string{"in use", "--listen"}},
		{"data is a file", []string{"serve", "--listen", "127.0.0.1:0", "--data", unknown}, 1, []string{"data directory", "--data"}},
		{"bad URL", []string{"tools", "localhost"}, 2, []string{"http://127.0.0.1:8080/mcp"}},
		{"bad arguments", []string{"call", "http://127.0.0.1:1/mcp", "echo", "text"}, 2, []string{"JSON object"}},
		{"nobody listens", []string{"tools", "http://127.0.0.1:1/mcp"}, 1, []string{"cannot reach"}},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			code, _, errs := run(t, tc.args...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d: %s", code, tc.code, errs)
			}
			for _, want := range tc.says {
				if !strings.Contains(errs, want) {
					t.Errorf("%q does not say %q", errs, want)
				}
			}
		})
	}
}

func TestDataDirectoryIsLocked(t *testing.T) {
	dir := t.TempDir()
	serving(t, "--data", dir)
	code, _, errs := run(t, "serve", "--listen", "127.0.0.1:0", "--data", dir)
	if code != 1 || !strings.Contains(errs, "is locked") || strings.Count(errs, "\n") > 2 {
		t.Errorf("a second holdfast: %d %q", code, errs)
	}
}

func TestInit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "holdfast.yaml")
	if code, out, errs := run(t, "init", path); code != 0 || !strings.Contains(out, path) {
		t.Fatalf("init = %d %q %q", code, out, errs)
	}
	if code, _, errs := run(t, "init", path); code != 1 || !strings.Contains(errs, "exists") {
		t.Errorf("init over a file = %d %q", code, errs)
	}
}

func TestCleartextHTTP2(t *testing.T) {
	url := serving(t)
	var only http.Protocols
	only.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: &only}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 || res.StatusCode != http.StatusOK || res.Header.Get("Mcp-Session-Id") == "" {
		t.Errorf("HTTP/%d %d, session %q", res.ProtoMajor, res.StatusCode, res.Header.Get("Mcp-Session-Id"))
	}
}
