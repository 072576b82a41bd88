// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/loopbacktest"
	"github.com/holdfast-mcp/holdfast/tests/gobuild"
)

const (
	sampleEvery  = 50 * time.Millisecond  // memory
	startTimeout = 20 * time.Second       // of a node
	stopTimeout  = 30 * time.Second       // of a node
	readyEvery   = 100 * time.Millisecond // looks at one that starts
)

// programs are the built programs.
type programs struct{ dir, holdfast, server string }

// build compiles what the run needs into dir.
func build(ctx context.Context, dir string) (programs, error) {
	p := programs{dir: dir, holdfast: filepath.Join(dir, "holdfast"), server: filepath.Join(dir, "floodserver")}
	return p, gobuild.Programs(ctx, map[string]string{p.holdfast: "cmd/holdfast", p.server: "tests/flood/server"})
}

// round is one flood against one binary.
type round struct {
	programs
	binary, flood string
	quiet, last   time.Duration // others alone, twice, and the flood

	addr string // of the node
	data string
	log  string
}

// run starts a node, lets others use it, floods it, and returns what was measured.
func (r *round) run(ctx context.Context) (figures, error) {
	dir, err := os.MkdirTemp(r.dir, "round-")
	if err != nil {
		return figures{}, err
	}
	defer os.RemoveAll(dir)
	r.data, r.log = filepath.Join(dir, "data"), filepath.Join(dir, "log")
	node, err := r.start(ctx, dir)
	if err != nil {
		return figures{}, err
	}
	defer stop(node)
	o, err := newOthers(ctx, r.addr)
	if err != nil {
		return figures{}, err
	}
	defer o.close()
	var f figures
	f.quiet, _, _ = o.during(ctx, r.quiet) // the first calls start what is not running yet
	f.quiet, _, _ = o.during(ctx, r.quiet)
	if f.idle, err = memory(node.Process.Pid); err != nil {
		return figures{}, err
	}
	if err := r.measure(ctx, node.Process.Pid, o, &f); err != nil {
		return figures{}, err
	}
	f.log, f.data = size(r.log), size(r.data)
	return f, ctx.Err()
}

// measure floods and samples meanwhile.
func (r *round) measure(ctx context.Context, pid int, o *others, f *figures) error {
	ctx, cancel := context.WithTimeout(ctx, r.last)
	defer cancel()
	attacker := exec.CommandContext(ctx, os.Args[0], attackWord, r.flood, r.addr)
	attacker.Cancel = func() error { return attacker.Process.Signal(syscall.SIGTERM) }
	attacker.WaitDelay = stopTimeout
	attacker.Stderr = os.Stderr
	attacker.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // nothing outlives the run
	if err := attacker.Start(); err != nil {
		return fmt.Errorf("start the attacker: %w", err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { f.during, f.calls, f.failed = o.during(ctx, r.last) })
	wg.Go(func() {
		for ctx.Err() == nil {
			if now, err := memory(pid); err == nil {
				f.peak = max(f.peak, now)
			}
			select {
			case <-time.After(sampleEvery):
			case <-ctx.Done():
			}
		}
	})
	err := attacker.Wait()
	early := ctx.Err() == nil
	wg.Wait()
	if early {
		return fmt.Errorf("the attacker gave up: %w", err)
	}
	return nil
}

const nodeConfig = `{"mcpServers": {"s": {"command": %q}, "long": {"command": %q, "args": ["-long"]}}}`

// start starts a node and waits until it is ready.
func (r *round) start(ctx context.Context, dir string) (*exec.Cmd, error) {
	address, err := loopbacktest.Free()
	if err != nil {
		return nil, err
	}
	r.addr = address
	config := filepath.Join(dir, "config.json")
	if err := os.WriteFile(config, fmt.Appendf(nil, nodeConfig, r.server, r.server), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(r.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(r.binary, "serve", "--listen", r.addr, "--data", r.data, "--config", config)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the node: %w", err)
	}
	for began := time.Now(); time.Since(began) < startTimeout && ctx.Err() == nil; time.Sleep(readyEvery) {
		if res, err := http.Get("http://" + r.addr + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return cmd, nil
			}
		}
	}
	stop(cmd)
	said, _ := os.ReadFile(r.log)
	return nil, fmt.Errorf("the node is not ready: %s", said)
}

// stop ends a node, in order if it can.
func stop(cmd *exec.Cmd) {
	ended := make(chan struct{})
	go func() { // ends with the process, below
		_ = cmd.Wait()
		close(ended)
	}()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(stopTimeout):
		_ = cmd.Process.Kill()
		<-ended
	}
}

// memory returns the resident memory of a process in MiB.
func memory(pid int) (int, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the node's memory: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			return kib >> 10, err
		}
	}
	return 0, errors.New("the node's memory is not told")
}

// size returns the bytes of a file, or of all files of a directory, in kB.
func size(path string) int {
	all := int64(0)
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error { // what is gone meanwhile does not count
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				all += info.Size()
			}
		}
		return nil
	})
	return int(all / 1000)
}
