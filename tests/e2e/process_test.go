// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/loopbacktest"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 15 * time.Second
	pollInterval = 20 * time.Millisecond
)

// service is a running program that serves HTTP. One goroutine waits for the process and closes done.
type service struct {
	addr string
	cmd  *exec.Cmd
	done chan struct{}
	log  *lockedBuffer
}

// lockedBuffer is a buffer that a process writes while a test reads it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := loopbacktest.Free()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// serve starts a program that gets its address by -listen or --listen and returns when it answers. It is stopped at
// the end of the test; its output is shown when the test failed.
func serve(t *testing.T, addr, bin string, args ...string) *service {
	t.Helper()
	return serveCommand(t, addr, exec.Command(bin, args...))
}

// serveCommand is serve for a command that gets its address in some other way.
func serveCommand(t *testing.T, addr string, cmd *exec.Cmd) *service {
	t.Helper()
	bin := cmd.Path
	s := &service{addr: addr, cmd: cmd, done: make(chan struct{}), log: new(lockedBuffer)}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.Env = append(s.cmd.Environ(), "NO_COLOR=1")
	// Children may outlive the process and hold its output: that must not hold up the test.
	s.cmd.WaitDelay = time.Second
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait()
	}()
	t.Cleanup(func() {
		s.stop(t)
		if t.Failed() {
			t.Logf("output of %s:\n%s", filepath.Base(bin), s.log)
		}
	})
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	eventually(t, startTimeout, filepath.Base(bin)+" answers", func() bool {
		select {
		case <-s.done:
			t.Fatalf("%s ended:\n%s", filepath.Base(bin), s.log)
		default:
		}
		res, err := client.Head("http://" + addr + "/mcp")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode != http.StatusServiceUnavailable // as a Holdfast says that is starting
	})
	return s
}

// runToEnd runs a program that is expected to end by itself.
func runToEnd(t *testing.T, bin string, args ...string) *service {
	t.Helper()
	s := &service{cmd: exec.Command(bin, args...), log: new(lockedBuffer)}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.WaitDelay = time.Second
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(startTimeout, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	_ = s.cmd.Wait()
	return s
}

func (s *service) url(path string) string { return "http://" + s.addr + path }

// stop ends the program as Ctrl-C does and waits for it.
func (s *service) stop(t *testing.T) {
	t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
		t.Errorf("%s does not stop", filepath.Base(s.cmd.Path))
		s.kill()
	}
}

// kill ends the program as kill -9 does and waits for it.
func (s *service) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// eventually waits until a condition holds.
func eventually(t *testing.T, timeout time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", timeout, what)
		}
		time.Sleep(pollInterval)
	}
}

// process names a process for as long as it exists: an id alone may be used again.
type process struct {
	pid   int
	start string
	name  string
}

// processTable returns all processes that run, without zombies, and the parent of each.
func processTable(t *testing.T) map[process]int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	table := make(map[process]int)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // ended meanwhile
		}
		// proc(5): pid (comm) state ppid …; field 22 is the start time. comm may hold anything, also parentheses.
		text := string(data)
		open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
		fields := strings.Fields(text[end+1:])
		if open < 0 || len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
			continue
		}
		pid, _ := strconv.Atoi(strings.TrimSpace(text[:open]))
		parent, _ := strconv.Atoi(fields[1])
		table[process{pid: pid, start: fields[19], name: text[open+1 : end]}] = parent
	}
	return table
}

// descendants returns the processes below one.
func descendants(t *testing.T, pid int) []process {
	t.Helper()
	table := processTable(t)
	below := map[int]bool{pid: true}
	var found []process
	for grown := true; grown; {
		grown = false
		for p, parent := range table {
			if below[parent] && !below[p.pid] {
				below[p.pid], grown = true, true
				found = append(found, p)
			}
		}
	}
	return found
}

// alive returns those of the processes that still run.
func alive(t *testing.T, processes []process) []process {
	t.Helper()
	table := processTable(t)
	return slices.DeleteFunc(slices.Clone(processes), func(p process) bool {
		_, runs := table[p]
		return !runs
	})
}
