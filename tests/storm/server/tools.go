// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-mcp/holdfast/server"
)

const (
	// strayWord as the first argument makes this program one that was left behind.
	strayWord = "stray"
	// strayLife ends a stray that nobody found, long after the test that missed it.
	strayLife = 3 * time.Minute
)

// counter is what a process remembers of its callers.
type counter struct {
	mu      sync.Mutex
	n       int
	callers map[string]bool
}

type (
	echoIn  struct{ Text string }
	countIn struct{ Text, Caller string }
	slowIn  struct {
		Text string
		MS   int
	}
	forkIn struct {
		Text   string
		Daemon bool // let the stray's parent end at once
		Pipe   bool // let the stray keep this server's standard output
	}
)

func addTools(s *server.Server) {
	var c counter
	server.AddTool(s, "echo", "Says the text again", func(_ context.Context, _ *server.Request, in echoIn) (string, error) {
		return in.Text, nil
	})
	server.AddTool(s, "count", "Counts calls and callers of this process", c.count)
	server.AddTool(s, "slow", "Says the text again after a while", slow)
	server.AddTool(s, "fork", "Leaves a process behind", fork)
	server.AddTool(s, "die", "Ends this server during the call", func(context.Context, *server.Request, echoIn) (string, error) {
		os.Exit(3)
		return "", nil
	})
}

// count says "TEXT CALLERS CALLS".
func (c *counter) count(_ context.Context, _ *server.Request, in countIn) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.callers == nil {
		c.callers = map[string]bool{}
	}
	c.n++
	c.callers[in.Caller] = true
	return fmt.Sprintf("%s %d %d", in.Text, len(c.callers), c.n), nil
}

func slow(ctx context.Context, _ *server.Request, in slowIn) (string, error) {
	t := time.NewTimer(time.Duration(in.MS) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return in.Text, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// fork starts a stray, or one that does and ends.
func fork(_ context.Context, _ *server.Request, in forkIn) (string, error) {
	args := []string{strayWord}
	if in.Daemon {
		args = append(args, strayWord)
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if in.Pipe {
		cmd.Stdout = os.Stdout
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	go cmd.Wait() // ends with the stray, or with this process
	return in.Text, nil
}

// stray stays, or leaves another that does.
func stray(args []string) {
	if len(args) > 0 {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Stdout = os.Stdout
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		_ = cmd.Start() // what does not start is not left behind
		return
	}
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	time.Sleep(strayLife)
}
