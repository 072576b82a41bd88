// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/loopbacktest"
)

const (
	startLimit = 10 * time.Second
	stopLimit  = 2 * time.Second
)

// errExited is wrapped by errors about a server that ended by itself.
var errExited = errors.New("server exited")

// process is one server under measurement. startProcess starts the goroutine
// that reaps it; that goroutine ends when the child has ended, and stop ends
// the child and waits for both.
type process struct {
	cmd    *exec.Cmd
	addr   string
	stderr *tail
	reaped chan struct{}
	exit   error // set before reaped is closed
}

// startServer starts binary with -listen on a free loopback port and args
// after it, as startProcess does.
func startServer(ctx context.Context, binary string, args ...string) (*process, error) {
	addr, err := loopbacktest.Free()
	if err != nil {
		return nil, err
	}
	return startProcess(ctx, binary, addr, append([]string{"-listen", addr}, args...)...)
}

// startProcess starts binary with args, which make it listen on addr, and waits
// until it accepts connections there. The caller stops it.
func startProcess(ctx context.Context, binary, addr string, args ...string) (*process, error) {
	p := &process{addr: addr, stderr: new(tail), reaped: make(chan struct{})}
	p.cmd = exec.Command(binary, args...)
	p.cmd.Env = append(plainEnvironment(os.Environ()), "HOLDFAST_DUMPABLE=1") // so that any user can measure it
	p.cmd.Stdout, p.cmd.Stderr = p.stderr, p.stderr
	p.cmd.WaitDelay = stopLimit
	p.cmd.SysProcAttr = ownGroup()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	go func() {
		p.exit = p.cmd.Wait()
		close(p.reaped)
	}()
	if err := p.ready(ctx); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// ready dials until the server accepts, ends, or its time is over.
func (p *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		conn, err := net.DialTimeout("tcp", p.addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ticker.C:
		case <-p.reaped:
			return fmt.Errorf("%w: %w: %s", errExited, p.exit, p.stderr)
		case <-ctx.Done():
			return fmt.Errorf("wait for server on %s: %w: %s", p.addr, ctx.Err(), p.stderr)
		}
	}
}

// stop ends the server, by force when it does not end by itself, and waits
// until it is gone. Stopping twice is allowed.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails only when it has ended
	timer := time.NewTimer(stopLimit)
	defer timer.Stop()
	select {
	case <-p.reaped:
		return
	case <-timer.C:
	}
	_ = p.cmd.Process.Kill() // as above
	<-p.reaped
}

// pid is the server's process id.
func (p *process) pid() int { return p.cmd.Process.Pid }

// plainEnvironment returns env without what changes how a Go server runs, so
// that every server is measured with the runtime's defaults.
func plainEnvironment(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains([]string{
			"GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG", "GOTRACEBACK", "MCPGODEBUG",
		}, name)
	})
}

// tail keeps the last bytes written to it, for error messages. It is safe for
// concurrent use.
type tail struct {
	mu   sync.Mutex
	last []byte
}

// Write keeps the end of b.
func (t *tail) Write(b []byte) (int, error) {
	const most = 2 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, b[max(0, len(b)-most):]...)
	t.last = t.last[max(0, len(t.last)-most):]
	return len(b), nil
}

// String returns what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.last))
}
