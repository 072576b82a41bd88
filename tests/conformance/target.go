// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/loopbacktest"
	"github.com/holdfast-mcp/holdfast/tests/gobuild"
)

const (
	// startTimeout bounds the time from the start of a program to its first answer.
	startTimeout = 60 * time.Second
	// stopTimeout is how long a program may take to end after SIGTERM.
	stopTimeout = 5 * time.Second
	// probeInterval is the time between two looks at a starting program.
	probeInterval = 20 * time.Millisecond
)

// The programs under test.
const (
	fixtureProgram = "tests/conformance/fixture"
	clientProgram  = "tests/conformance/client"
	gatewayProgram = "cmd/holdfast"
)

// build compiles one of the programs under test into dir and returns its path.
func build(ctx context.Context, dir, program string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("create the output directory: %w", err)
	}
	bin := filepath.Join(dir, path.Base(program))
	return bin, gobuild.Programs(ctx, map[string]string{bin: program})
}

// service is a running program that serves HTTP: the fixture or the gateway.
type service struct {
	url  string
	cmd  *exec.Cmd
	done chan error // receives the result of Wait once
	log  string
}

// startFixture starts the fixture, which then speaks the given eras.
func startFixture(ctx context.Context, bin, era, log string) (*service, error) {
	return startService(ctx, log, bin, "-era", era)
}

// startService starts a program on a free port, which it is told by -listen, and waits until it answers. One goroutine
// waits for the process; stop ends both.
func startService(ctx context.Context, log, bin string, args ...string) (*service, error) {
	addr, err := loopbacktest.FreeLocal()
	if err != nil {
		return nil, err
	}
	output, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("create the log of %s: %w", filepath.Base(bin), err)
	}
	defer func() { _ = output.Close() }()
	f := &service{url: "http://" + addr + "/mcp", done: make(chan error, 1), log: log}
	f.cmd = exec.Command(bin, append(args, "-listen", addr)...)
	f.cmd.Stdout, f.cmd.Stderr = output, output
	if err := f.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(bin), err)
	}
	go func() { f.done <- f.cmd.Wait() }()
	if err := f.awaitAnswer(ctx); err != nil {
		f.stop()
		text, _ := os.ReadFile(log)
		return nil, fmt.Errorf("start %s: %w\n%s", filepath.Base(bin), err, tail(text))
	}
	return f, nil
}

// awaitAnswer returns when the program answers HTTP, whatever it answers.
func (f *service) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, f.url, nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err == nil {
			return res.Body.Close()
		}
		select {
		case exit := <-f.done:
			f.done <- exit
			return fmt.Errorf("it ended at once (%v)", exit)
		case <-ctx.Done():
			return fmt.Errorf("no answer within %v: %w", startTimeout, err)
		case <-tick.C:
		}
	}
}

// stop ends the program and waits for it.
func (f *service) stop() {
	_ = f.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-f.done:
	case <-time.After(stopTimeout):
		_ = f.cmd.Process.Kill()
		<-f.done
	}
}
