// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/tests/ledger"
	"github.com/holdfast-mcp/holdfast/tests/npm"
)

//go:embed js/crowd.mjs
var crowdScript []byte

// sdkCrowd is a process with many clients on an official SDK.
type sdkCrowd struct {
	name   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

// sdkReport is what such a process prints at its end.
type sdkReport struct {
	Done   map[string]int `json:"done"`
	Failed map[string]int `json:"failed"`
	Lost   []string       `json:"lost"`
}

// startSDK starts a crowd of one language, typescript or go, and waits until all
// its clients are connected. With 0 rounds they operate until they are stopped.
func (f *fleet) startSDK(ctx context.Context, language string, legacy, modern, rounds int) (*sdkCrowd, error) {
	args := []string{f.url(), strconv.Itoa(legacy), strconv.Itoa(modern), strconv.Itoa(rounds)}
	c := &sdkCrowd{name: language}
	if language == "go" {
		c.cmd = exec.CommandContext(ctx, f.crowd, args...)
	} else {
		tree, err := npm.Install()
		if err != nil {
			return nil, err
		}
		script := filepath.Join(f.dir, "crowd.mjs")
		if err := os.WriteFile(script, crowdScript, 0o600); err != nil {
			return nil, err
		}
		modules := filepath.Join(f.dir, "node_modules")
		if err := os.Symlink(tree.Modules, modules); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
		c.cmd = tree.Command(ctx, script, args...)
	}
	c.cmd.Stderr = &c.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the %s clients: %w", language, err)
	}
	if line, err := c.out.ReadString('\n'); err != nil || !strings.Contains(line, "ready") {
		c.kill()
		return nil, fmt.Errorf("the %s clients do not connect: %q: %w\n%s", language, line, err, c.stderr.String())
	}
	return c, nil
}

func (c *sdkCrowd) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// finish waits for the end of a crowd's rounds, or with stop ends them, and tells
// the ledger what came of them. Failures are breaches unless they are excused.
func (c *sdkCrowd) finish(l *ledger.Ledger, stop, excused bool) error {
	if stop {
		c.in.Close()
	}
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		c.kill()
		return fmt.Errorf("the %s clients end without a report: %w\n%s", c.name, err, c.stderr.String())
	}
	c.in.Close()
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("the %s clients: %w\n%s", c.name, err, c.stderr.String())
	}
	var r sdkReport
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("the %s clients' report: %w", c.name, err)
	}
	for op, n := range r.Done {
		l.Add(c.name+" SDK: "+op, n)
	}
	for _, text := range slices.Sorted(maps.Keys(r.Failed)) {
		l.Add(c.name+" SDK failed", r.Failed[text])
		switch {
		case strings.Contains(text, "wrong answer"):
			l.Breach("%s SDK: %s (%d times)", c.name, text, r.Failed[text])
		case !excused:
			l.Breach("%s SDK without a fault: %s (%d times)", c.name, text, r.Failed[text])
		}
	}
	for _, text := range r.Lost {
		l.Breach("%s SDK: a session is lost: %s", c.name, text)
	}
	return nil
}
