// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
)

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
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if servers := childrenOf(keeper); len(servers) > 0 {
			return servers[0]
		}
	}
	t.Fatal("the keeper has no server")
	return 0
}
