// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// program is Holdfast in a process of its own.
type program struct {
	*served
	cmd *exec.Cmd
	log *output
}

// startProgram starts serve and waits for its announcement; the process ends with the test.
func startProgram(t *testing.T, args ...string) *program {
	t.Helper()
	return startChanged(t, func(*exec.Cmd) {}, args...)
}

// startChanged is startProgram with a change to how it is started.
func startChanged(t *testing.T, change func(*exec.Cmd), args ...string) *program {
	t.Helper()
	if testing.Short() {
		t.Skip("starts whole programs")
	}
	p := &program{log: &output{}}
	p.cmd = exec.Command(os.Args[0], append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stderr = p.log
	change(p.cmd)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	p.served = &served{out: bufio.NewReader(out)}
	line, err := p.out.ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "holdfast is listening on ")
	if err != nil || !ok {
		t.Fatalf("first line %q, %v; %s", line, err, p.log)
	}
	p.url = url
	return p
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	_, _ = io.Copy(io.Discard, p.out)
	_ = p.cmd.Wait()
}

// childrenOf lists the pids of a process's children.
func childrenOf(pid int) (pids []int) {
	files, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	for _, file := range files {
		b, _ := os.ReadFile(file)
		for _, field := range strings.Fields(string(b)) {
			child, _ := strconv.Atoi(field)
			pids = append(pids, child)
		}
	}
	return pids
}

// keeper returns the pid of the program's keeper, which comes with the first server.
func (p *program) keeper(t *testing.T) int {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for _, pid := range childrenOf(p.cmd.Process.Pid) {
			if name, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm"); string(name) == "mcp-keeper\n" {
				return pid
			}
		}
	}
	t.Fatal("it has no keeper")
	return 0
}

// runs reports whether a process is there and no zombie.
func runs(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(state, "Z")
}
