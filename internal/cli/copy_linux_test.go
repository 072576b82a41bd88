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
	"syscall"
	"testing"

	"github.com/holdfast-mcp/holdfast/client"
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
	p := &program{log: &output{}}
	p.cmd = exec.Command(os.Args[0], append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stderr = p.log
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

// keeper returns the pid of the program's keeper.
func (p *program) keeper(t *testing.T) int {
	t.Helper()
	for _, pid := range childrenOf(p.cmd.Process.Pid) {
		if name, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm"); string(name) == "mcp-keeper\n" {
			return pid
		}
	}
	t.Fatal("it has no keeper")
	return 0
}

func copyDirectory(t *testing.T, from string) (to string) {
	t.Helper()
	to = filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v %s", err, out)
	}
	return to
}

// TestCopyOfLiveData: a Holdfast on a copy of the data directory of one that runs
// does nothing to the other's processes.
func TestCopyOfLiveData(t *testing.T) {
	config := gatewayConfig(t, "", "")
	data := filepath.Join(t.TempDir(), "data")
	first := startProgram(t, "--config", config, "--data", data)
	c := connectTo(t, client.HTTP(first.url))
	before := textOf(t, c, "a__pid")
	second := startProgram(t, "--config", config, "--data", copyDirectory(t, data))
	if other := textOf(t, connectTo(t, client.HTTP(second.url)), "a__pid"); other == before {
		t.Errorf("both answer from process %s", other)
	}
	if after := textOf(t, c, "a__pid"); after != before {
		t.Errorf("the server was process %s and is %s", before, after)
	}
	for _, p := range []*program{first, second} {
		if log := p.log.String(); strings.Contains(log, "earlier run") || strings.Contains(log, "keeper process ended") {
			t.Errorf("log: %s", log)
		}
	}
}

// TestForeignDataEndsNothing: what an earlier run left is ended only by a
// Holdfast that the data directory belongs to.
func TestForeignDataEndsNothing(t *testing.T) {
	config := gatewayConfig(t, "", "")
	data := filepath.Join(t.TempDir(), "data")
	first := startProgram(t, "--config", config, "--data", data)
	left := leftBehind(t, first)
	mark := filepath.Join(data, "store", "store.json")
	own, err := os.ReadFile(mark)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mark, []byte(`{"format":1,"mode":"clustered","cluster":"holdfast","node":"other"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := exec.Command(os.Args[0], "serve", "--listen", "127.0.0.1:0", "--config", config, "--data", data)
	refused.Env = append(os.Environ(), asProgram+"=1")
	if out, err := refused.CombinedOutput(); refused.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), `belongs to node "other"`) {
		t.Errorf("a foreign directory: %v %s", err, out)
	}
	if !runs(left) {
		t.Error("the process was ended by a Holdfast that was refused the directory")
	}
	if err := os.WriteFile(mark, own, 0o600); err != nil {
		t.Fatal(err)
	}
	startProgram(t, "--config", config, "--data", data)
	if runs(left) {
		t.Errorf("process %d outlived the next start", left)
	}
}

// leftBehind kills the program and its keeper in one instant and returns the pid
// of a process that outlives both.
func leftBehind(t *testing.T, p *program) int {
	t.Helper()
	keeper := p.keeper(t)
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(serverOf(t, keeper)) + "/environ")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("setsid", "sleep", "1000")
	cmd.Env = strings.Split(strings.TrimSuffix(string(environ), "\x00"), "\x00")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = cmd.Wait() }() // ends with the process
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
		for _, pid := range []int{p.cmd.Process.Pid, keeper} {
			if err := syscall.Kill(pid, sig); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.kill()
	return cmd.Process.Pid
}

// serverOf returns the pid of a keeper's child.
func serverOf(t *testing.T, keeper int) int {
	t.Helper()
	servers := childrenOf(keeper)
	if len(servers) == 0 {
		t.Fatal("the keeper has no server")
	}
	return servers[0]
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
