// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package control

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// nobody is a user that no test runs as.
const nobody = 65534

// openDir makes a directory that every user may use, unlike t.TempDir's.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "control") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// another returns a process of the test binary, run by that user unless it is 0.
func another(mode, dir string, uid uint32) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	if _, err := os.Stat(cmd.Path); err != nil {
		cmd = exec.Command(os.Args[0])
	}
	cmd.Env = []string{asHelper + "=" + mode, helperDir + "=" + dir}
	cmd.Dir = "/"
	if uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	return cmd
}

// ask runs a client in a process of its own and returns its error.
func ask(t *testing.T, dir string, uid uint32) string {
	t.Helper()
	out, err := another("client", dir, uid).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestWhoMayAsk: the node's user may, unless the node has a reason against the
// process; others may not, whatever the permissions of the socket.
func TestWhoMayAsk(t *testing.T) {
	dir := openDir(t)
	var asked atomic.Int64
	var reason atomic.Pointer[error]
	s, err := Listen(dir, &memory{}, func(pid int) error {
		asked.Store(int64(pid))
		if why := reason.Load(); why != nil {
			return *why
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := ask(t, dir, 0); got != "<nil>" || asked.Load() == 0 || asked.Load() == int64(os.Getpid()) {
		t.Errorf("the same user: %s; it was process %d", got, asked.Load())
	}
	why := errors.New("servers may not ask")
	reason.Store(&why)
	if got := ask(t, dir, 0); got != why.Error() {
		t.Errorf("with a reason: %s", got)
	}
	if os.Geteuid() != 0 {
		return // becoming another user takes root
	}
	if err := os.Chmod(socket(dir), 0o777); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, dir, nobody); !strings.Contains(got, "user 65534 asks a holdfast that runs as user 0") {
		t.Errorf("another user: %s", got)
	}
}

// TestForeignServer: what another user listens on in the directory is not
// believed, unless the directory is that user's.
func TestForeignServer(t *testing.T) {
	if os.Geteuid() != 0 {
		return // becoming another user takes root
	}
	dir := openDir(t)
	cmd := another("server", dir, nobody)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = cmd.Wait() }()
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	if _, err := NewClient(dir).Keys(t.Context()); err == nil || !strings.Contains(err.Error(), "served by user 65534") {
		t.Errorf("in root's directory: %v", err)
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if _, err := NewClient(dir).Keys(t.Context()); err != nil {
		t.Errorf("in the other user's: %v", err)
	}
}
