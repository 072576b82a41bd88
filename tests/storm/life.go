// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/loopbacktest"
)

const (
	readyLimit  = 45 * time.Second // until Holdfast answers
	stopLimit   = 30 * time.Second // after SIGINT
	orphanLimit = 10 * time.Second // until nothing is left of a killed Holdfast
)

// lifeVar tells the lives of Holdfast apart. The servers get it by the
// configuration as markVar, so Holdfast itself does not carry that one.
const (
	lifeVar = "STORM_LIFE"
	markVar = "STORM_MARK"
)

// holdfast is one Holdfast that is killed and started again: same address, same
// data directory. One goroutine per life waits for the process. Its methods are
// for one goroutine, but for moment, excused, up and crashed.
type holdfast struct {
	bin, config, data, addr string
	env                     []string
	mark                    string // of the run
	log                     *os.File

	life int
	cmd  *exec.Cmd
	done chan struct{}

	mu      sync.Mutex
	kills   int // ends that we caused
	ready   chan struct{}
	running bool // between ready and the next end
}

// newHoldfast writes the configuration below dir and starts nothing.
func newHoldfast(bin, dir string, config []byte, mark string, env ...string) (*holdfast, error) {
	address, err := loopbacktest.Free()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	h := &holdfast{
		bin: bin, config: filepath.Join(dir, "mcp.json"), data: filepath.Join(dir, "data"), addr: address,
		env: env, mark: mark, ready: make(chan struct{}),
	}
	if err := os.WriteFile(h.config, config, 0o600); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	h.log, err = os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return h, nil
}

// start begins a life and waits until it answers.
func (h *holdfast) start(ctx context.Context) error {
	h.life++
	fmt.Fprintf(h.log, "---- life %d\n", h.life)
	h.cmd = exec.Command(h.bin, "serve", "--config", h.config, "--listen", h.addr, "--data", h.data)
	// Dumpable, so that any user can measure it and tell its life.
	h.cmd.Env = append(append(os.Environ(), "NO_COLOR=1", "HOLDFAST_DUMPABLE=1", lifeVar+"="+strconv.Itoa(h.life)), h.env...)
	h.cmd.Stdout, h.cmd.Stderr = h.log, h.log
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := h.cmd.Start(); err != nil {
		return fmt.Errorf("start holdfast: %w", err)
	}
	done := make(chan struct{})
	h.done = done
	go func(cmd *exec.Cmd) { _ = cmd.Wait(); close(done) }(h.cmd)
	if err := h.awaitReady(ctx); err != nil {
		return err
	}
	h.mu.Lock()
	h.running = true
	close(h.ready)
	h.mu.Unlock()
	return nil
}

func (h *holdfast) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://"+h.addr+"/mcp", nil)
		if err != nil {
			return fmt.Errorf("ask holdfast: %w", err)
		}
		if res, err := client.Do(req); err == nil {
			return res.Body.Close()
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-h.done:
			return fmt.Errorf("holdfast ended at its start:\n%s", h.tail(20))
		case <-ctx.Done():
			return fmt.Errorf("holdfast does not answer: %w\n%s", ctx.Err(), h.tail(20))
		}
	}
}

// lifeMark is what the servers of this life carry in markVar.
func (h *holdfast) lifeMark() string { return h.mark + "-" + strconv.Itoa(h.life) }

// moment is when a request began, for excused.
func (h *holdfast) moment() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running {
		return -1
	}
	return h.kills
}

// excused reports whether a request that began at a moment may have met a kill.
func (h *holdfast) excused(began int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return began < 0 || h.kills != began
}

// up is closed when Holdfast runs, again.
func (h *holdfast) up() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ready
}

// crashed reports whether Holdfast ended without our doing.
func (h *holdfast) crashed() bool {
	select {
	case <-h.done:
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.running
	default:
		return false
	}
}

func (h *holdfast) ending() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running {
		h.running = false
		h.kills++
		h.ready = make(chan struct{})
	}
}

// kill ends Holdfast as kill -9 does, and with it others, first or last.
func (h *holdfast) kill(others []proc, othersFirst bool) {
	h.ending()
	if othersFirst {
		for _, p := range others {
			killProc(p)
		}
	}
	_ = h.cmd.Process.Kill() // an error means that it has ended
	if !othersFirst {
		for _, p := range others {
			killProc(p)
		}
	}
	<-h.done
}

// stop ends Holdfast as Ctrl-C does.
func (h *holdfast) stop() error { return h.end(syscall.SIGINT) }

// stacks counts goroutines by who made them.
type stacks map[string]int

// total leaves out those that are kept, up to a bound, for the next call.
func (s stacks) total() int {
	n := 0
	for name, of := range s {
		if !isParked(name) {
			n += of
		}
	}
	return n
}

func (s stacks) parked() int {
	n := 0
	for name, of := range s {
		if isParked(name) {
			n += of
		}
	}
	return n
}

func isParked(origin string) bool { return strings.Contains(origin, "engine.(*Crew).work ") }

// over tells of which there are more than in another count.
func (s stacks) over(other stacks) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if more := s[name] - other[name]; more > 0 && !isParked(name) {
			fmt.Fprintf(&b, "\n    %d more of %s", more, name)
		}
	}
	return b.String()
}

// dump ends Holdfast with the stacks of its goroutines, and counts them.
func (h *holdfast) dump() (stacks, error) {
	before, _ := h.log.Seek(0, io.SeekEnd)
	if err := h.end(syscall.SIGQUIT); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(h.log.Name())
	if err != nil {
		return nil, fmt.Errorf("read stacks: %w", err)
	}
	count := stacks{}
	for stack := range strings.SplitSeq(string(data[min(int(before), len(data)):]), "\n\n") {
		if !strings.HasPrefix(stack, "goroutine ") {
			continue
		}
		count[origin(stack)]++
	}
	return count, nil
}

// origin is the first function of Holdfast's on a stack, and the line that made
// the goroutine.
func origin(stack string) string {
	first, maker := "", ""
	for line := range strings.Lines(stack) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "created by "):
			maker, _, _ = strings.Cut(line, " in goroutine")
		case first == "" && strings.HasPrefix(line, "github.com/holdfast-mcp/holdfast/"):
			if i := strings.LastIndexByte(line, '('); i > 0 {
				first = line[:i]
			}
		}
	}
	return first + " " + maker
}

var errNotStopped = errors.New("holdfast did not stop in time")

func (h *holdfast) end(signal syscall.Signal) error {
	if h.cmd == nil {
		return nil
	}
	h.ending()
	_ = h.cmd.Process.Signal(signal) // an error means that it has ended
	select {
	case <-h.done:
		return nil
	case <-time.After(stopLimit):
		h.kill(nil, false)
		return errNotStopped
	}
}

// tail returns the last lines of the log.
func (h *holdfast) tail(n int) string {
	data, err := os.ReadFile(h.log.Name())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// gone waits until nothing is left of what ran, by list and by mark, and
// returns how long that took and what is still there at the limit.
func gone(list []proc, mark string) (time.Duration, []proc) {
	began := time.Now()
	for {
		left := alive(list)
		for _, p := range carrying(markVar, mark) {
			if !slices.Contains(left, p) {
				left = append(left, p)
			}
		}
		if took := time.Since(began); len(left) == 0 || took > orphanLimit {
			return took, left
		}
		time.Sleep(10 * time.Millisecond)
	}
}
