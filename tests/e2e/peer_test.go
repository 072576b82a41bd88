// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"embed"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

//go:embed js/*.mjs
var scripts embed.FS

const (
	replyTimeout = 40 * time.Second
	maxReply     = 4 << 20 // bytes
)

// The revisions that the clients negotiate.
const (
	legacyVersion = "2025-11-25"
	modernVersion = "2026-07-28"
)

// sdk is one of the client programs.
type sdk string

const (
	legacyTS sdk = "legacy.mjs"
	modernTS sdk = "modern.mjs"
	goSDK    sdk = "gosdk"
	own      sdk = "own" // Holdfast's
)

// dialect is a way for a client to speak: which program, told which era, speaking which revision in the end.
type dialect struct {
	name    string
	sdk     sdk
	era     string
	version string
}

// dialects are all clients in all eras they can.
var dialects = []dialect{
	{"TypeScript SDK 1", legacyTS, "", legacyVersion},
	{"TypeScript SDK 2, legacy", modernTS, "legacy", legacyVersion},
	{"TypeScript SDK 2, auto", modernTS, "auto", modernVersion},
	{"TypeScript SDK 2, pinned", modernTS, "modern", modernVersion},
	{"Go SDK, legacy", goSDK, "legacy", legacyVersion},
	{"Go SDK, modern", goSDK, "modern", modernVersion},
}

// eachDialect runs a test once per dialect.
func eachDialect(t *testing.T, test func(t *testing.T, d dialect)) {
	t.Helper()
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) { test(t, d) })
	}
}

// step is what a client is to do.
type step map[string]any

// reply is what came of it.
type reply struct {
	OK     bool           `json:"ok"`
	Result jsontext.Value `json:"result"`
	Error  struct {
		Code    any            `json:"code"`
		Message string         `json:"message"`
		Data    jsontext.Value `json:"data"`
	} `json:"error"`
	Events []event `json:"events"`
}

// event is something that the server sent by itself.
type event struct {
	Kind     string         `json:"kind"`
	Message  string         `json:"message"`
	URI      string         `json:"uri"`
	Level    string         `json:"level"`
	Data     jsontext.Value `json:"data"`
	Progress float64        `json:"progress"`
}

// kinds returns the kinds of the events in order.
func (r reply) kinds() []string {
	var kinds []string
	for _, e := range r.Events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// names returns the names in the result of a list step.
func (r reply) names(t *testing.T) []string {
	t.Helper()
	var result struct {
		Names []string `json:"names"`
	}
	decode(t, r.Result, &result)
	return result.Names
}

// text returns the texts in the result of a call or read step, one per line.
func (r reply) text(t *testing.T) string {
	t.Helper()
	type item struct {
		Text string `json:"text"`
	}
	var result struct {
		Content  []item `json:"content"`
		Contents []item `json:"contents"`
	}
	decode(t, r.Result, &result)
	var lines []string
	for _, i := range append(result.Content, result.Contents...) {
		lines = append(lines, i.Text)
	}
	return strings.Join(lines, "\n")
}

// failed reports whether the result of a call step is the tool's error.
func (r reply) failed(t *testing.T) bool {
	t.Helper()
	var result struct {
		IsError bool `json:"isError"`
	}
	decode(t, r.Result, &result)
	return result.IsError
}

func decode(t *testing.T, data jsontext.Value, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("decode %s: %v", data, err)
	}
}

// peer is a running client program. One goroutine reads its output; it ends with the process, at the latest at the end
// of the test.
type peer struct {
	t     *testing.T
	pid   int
	in    io.WriteCloser
	lines chan []byte
	seen  []event // of all steps so far
}

// startPeer starts a client program.
func startPeer(t *testing.T, kind sdk) *peer {
	t.Helper()
	cmd := command(t, kind)
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, pid: cmd.Process.Pid, in: in, lines: make(chan []byte, 16)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.lines)
		scanner := bufio.NewScanner(out)
		scanner.Buffer(nil, maxReply)
		for scanner.Scan() {
			p.lines <- slices.Clone(scanner.Bytes())
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	return p
}

// command returns the command of a client program. The scripts run in a directory of their own beside a link to the
// packages, because Node looks for packages from the script's place.
func command(t *testing.T, kind sdk) *exec.Cmd {
	t.Helper()
	if kind == goSDK || kind == own {
		return exec.Command(binary(t, "tests/e2e/"+string(kind)))
	}
	return script(t, string(kind))
}

// script returns the command of a script of js.
func script(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	tree := packages(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, scripts); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(tree.Modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return tree.Command(t.Context(), filepath.Join(dir, "js", name), args...)
}

// try does a step and returns what came of it.
func (p *peer) try(s step) reply {
	p.t.Helper()
	line, err := json.Marshal(s)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		p.t.Fatalf("step %s: write: %v", line, err)
	}
	select {
	case answer, open := <-p.lines:
		if !open {
			p.t.Fatalf("step %s: the client ended", line)
		}
		var r reply
		decode(p.t, answer, &r)
		p.seen = append(p.seen, r.Events...)
		return r
	case <-time.After(replyTimeout):
		p.t.Fatalf("step %s: no answer within %v", line, replyTimeout)
	}
	panic("not reached")
}

// do does a step that must succeed.
func (p *peer) do(s step) reply {
	p.t.Helper()
	r := p.try(s)
	if !r.OK {
		p.t.Fatalf("step %v: %v %s", s, r.Error.Code, r.Error.Message)
	}
	return r
}

// connected is the result of a connect step.
type connected struct {
	Version string `json:"version"`
	Session string `json:"session"`
	Server  string `json:"server"`
}

// accept is what the clients say when they are asked: they accept with one member, whatever the form has besides.
func accept(member string, value any) step {
	return step{
		"elicit": step{"action": "accept", "content": step{member: value}},
		"sample": "Paris",
		"roots":  []string{"file:///home/test"},
	}
}

// dial starts a client and connects it to a URL in a dialect.
func dial(t *testing.T, d dialect, url string, answers step) (*peer, connected) {
	t.Helper()
	p := startPeer(t, d.sdk)
	if answers == nil {
		answers = step{}
	}
	r := p.do(step{"op": "connect", "url": url, "era": d.era, "answers": answers})
	var c connected
	decode(t, r.Result, &c)
	if c.Version != d.version {
		t.Errorf("the client speaks %q, not %q", c.Version, d.version)
	}
	return p, c
}
