// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// serves fails the test unless the program still answers.
func (p *program) serves(t *testing.T, after string) {
	t.Helper()
	if a := p.get("/livez"); a.status != http.StatusOK {
		t.Errorf("after %s it does not answer: %+v; %s", after, a, p.log)
	}
}

func (p *program) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// TestHangUpIsNoEnd: SIGHUP without a terminal that is gone changes nothing.
func TestHangUpIsNoEnd(t *testing.T) {
	p := startProgram(t, "--data", t.TempDir())
	for n := 1; n <= 2; n++ {
		p.signal(t, syscall.SIGHUP)
		poll(t, "it is logged", func() bool { return strings.Count(p.log.String(), "SIGHUP changes nothing") == n })
	}
	p.serves(t, "SIGHUP")
	p.signal(t, syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("SIGTERM after SIGHUP: %v", err)
	}
}

// TestIgnoredHangUp: under nohup it stays ignored.
func TestIgnoredHangUp(t *testing.T) {
	p := startChanged(t, func(cmd *exec.Cmd) {
		cmd.Args = slices.Concat([]string{"sh", "-c", `trap "" HUP; exec "$0" "$@"`, cmd.Path}, cmd.Args[1:])
		cmd.Path = "/bin/sh"
	}, "--data", t.TempDir())
	p.signal(t, syscall.SIGHUP)
	p.serves(t, "an ignored SIGHUP")
	if log := p.log.String(); strings.Contains(log, "SIGHUP") {
		t.Errorf("log: %s", log)
	}
}

// openTerminal makes a pseudo terminal; closing the first end hangs up the second.
func openTerminal(t *testing.T) (near, far *os.File) {
	t.Helper()
	near, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	number, err := unix.IoctlGetInt(int(near.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(near.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		far, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	return near, far
}

// TestClosedTerminal: a terminal that is closed ends what runs in it, in order;
// the signal alone does not.
func TestClosedTerminal(t *testing.T) {
	near, far := openTerminal(t)
	p := startChanged(t, func(cmd *exec.Cmd) {
		cmd.Stdin = far
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	}, "--data", t.TempDir())
	p.signal(t, syscall.SIGHUP)
	poll(t, "it is logged", func() bool { return strings.Contains(p.log.String(), "SIGHUP changes nothing") })
	p.serves(t, "SIGHUP")
	far.Close()
	near.Close()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	for _, want := range []string{"the terminal or client is gone", "leaving"} {
		if log := p.log.String(); !strings.Contains(log, want) {
			t.Errorf("log does not say %q: %s", want, log)
		}
	}
}

// TestLogReaderEnds: who reads the log, or standard output, may end.
func TestLogReaderEnds(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := startChanged(t, func(cmd *exec.Cmd) { cmd.Stderr = w }, "--data", t.TempDir())
	w.Close()
	r.Close()
	for range 3 {
		p.signal(t, syscall.SIGHUP) // each logs a line
		p.serves(t, "the end of its log's reader")
	}
	p.signal(t, syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// TestStdioEndsWithItsClient: whatever is left of the client's end.
func TestStdioEndsWithItsClient(t *testing.T) {
	for name, leave := range map[string]func(cmd *exec.Cmd, in io.WriteCloser, out io.Closer) error{
		"input ends":             func(_ *exec.Cmd, in io.WriteCloser, _ io.Closer) error { return in.Close() },
		"output is read no more": func(_ *exec.Cmd, _ io.WriteCloser, out io.Closer) error { return out.Close() },
		"an answer cannot be sent": func(_ *exec.Cmd, in io.WriteCloser, out io.Closer) error {
			out.Close()
			_, err := io.WriteString(in, `{"jsonrpc":"2.0","id":2,"method":"ping"}`+"\n")
			return err
		},
		"SIGTERM": func(cmd *exec.Cmd, _ io.WriteCloser, _ io.Closer) error { return cmd.Process.Signal(syscall.SIGTERM) },
		"SIGHUP":  func(cmd *exec.Cmd, _ io.WriteCloser, _ io.Closer) error { return cmd.Process.Signal(syscall.SIGHUP) },
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "serve", "--stdio", "--data", t.TempDir())
			cmd.Env = append(os.Environ(), asProgram+"=1")
			var log output
			cmd.Stderr = &log
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cmd.Process.Kill() }()
			if _, err := io.WriteString(in, strings.Replace(legacyHello, "%V", "2025-11-25", 1)+"\n"); err != nil {
				t.Fatal(err)
			}
			if _, err := out.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if err := leave(cmd, in, out); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v: %s", err, &log)
			}
		})
	}
}
