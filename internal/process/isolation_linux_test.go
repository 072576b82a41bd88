// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// nobody is an ordinary user, which tests that run as root become for what root may do anyway.
const nobody = 65534

// asOrdinaryUser has a command run as somebody who is not root.
func asOrdinaryUser(cmd *exec.Cmd) {
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}

// runHelper runs a copy of the test binary as an ordinary user, to its end, and returns what it prints.
func runHelper(t *testing.T, mode string, env ...string) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Dir = "/"
	cmd.Env = append(env, helperEnv+"="+mode, tagEnv+"="+newTag(t), "PATH="+os.Getenv("PATH"), "GORACE="+noRaceSleep)
	cmd.Stderr = os.Stderr
	asOrdinaryUser(cmd)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", mode, err)
	}
	nothingLeft(t)
	return string(out)
}

// concealer plays Holdfast: it conceals itself and prints what a server of the same user finds out about it and its keeper.
func concealer() int {
	if err := Conceal(); err != nil {
		panic(err)
	}
	k := NewKeeper(nil)
	spec := self(os.Getenv(tagEnv), "intruder")
	spec.Env = append(spec.Env, targetsEnv+"="+strconv.Itoa(os.Getpid()))
	p, err := k.Start(context.Background(), spec)
	if err != nil {
		panic(err)
	}
	_, _ = io.Copy(os.Stdout, p.Stdout())
	<-p.Done()
	if err := k.Close(); err != nil {
		panic(err)
	}
	return 0
}

// targetsEnv is the pid of the Holdfast that an intruder tries to look into, and whose keeper is its parent.
const targetsEnv = "PROCESS_TEST_TARGET"

// intruder is a server that tries to look into Holdfast and the keeper, and prints what it could.
func intruder() int {
	for _, target := range []struct{ name, pid string }{{"holdfast", os.Getenv(targetsEnv)}, {"keeper", strconv.Itoa(os.Getppid())}} {
		for _, file := range []string{"environ", "mem", "maps", "auxv"} {
			f, err := os.Open("/proc/" + target.pid + "/" + file)
			if err == nil {
				f.Close()
				fmt.Println("opened", target.name, file)
			} else if !errors.Is(err, fs.ErrPermission) {
				fmt.Println(err)
			}
		}
		if _, err := os.ReadDir("/proc/" + target.pid + "/fd"); err == nil {
			fmt.Println("listed", target.name, "descriptors")
		}
		pid, _ := strconv.Atoi(target.pid)
		if err := unix.PtraceSeize(pid); err == nil {
			fmt.Println("traced", target.name)
		} else if !errors.Is(err, unix.EPERM) {
			fmt.Println(err)
		}
	}
	fmt.Println("done")
	return 0
}

// A server of the same user sees neither the environment and memory of Holdfast nor those of the keeper, unless they are to be debugged.
func TestServersSeeNothingOfHoldfast(t *testing.T) {
	if got := runHelper(t, "concealer"); got != "done\n" {
		t.Errorf("a server of the same user: %s", got)
	}
	got := runHelper(t, "concealer", dumpableEnv+"=1")
	for _, want := range []string{"opened holdfast environ", "opened keeper mem", "listed keeper descriptors"} {
		if !strings.Contains(got, want) {
			t.Errorf("with %s=1 it does not say %q: %s", dumpableEnv, want, got)
		}
	}
}

// forgetter prints what of its environment can be seen from outside before and after it took a variable out.
func forgetter() int {
	for range 2 {
		b, err := os.ReadFile("/proc/self/environ")
		if err != nil {
			panic(err)
		}
		_, set := os.LookupEnv(targetsEnv)
		fmt.Println(strings.Count(string(b), "a secret"), strings.Count(string(b), "beside"), set, os.Getenv(targetsEnv+"_2"))
		if err := Unsetenv(targetsEnv); err != nil {
			panic(err)
		}
	}
	return 0
}

// A variable that was taken out is not to be seen in /proc either, and the others stay.
func TestUnsetenv(t *testing.T) {
	const want = "1 1 true beside\n0 1 false beside\n"
	if got := runHelper(t, "forgetter", targetsEnv+"=a secret", targetsEnv+"_2=beside"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Servers, and all below them, gain no privileges, unless the configuration lets them; the keeper itself gives up none.
func TestNoNewPrivileges(t *testing.T) {
	k := newTestKeeper(t)
	for _, allowed := range []bool{false, true, false} {
		spec := shell(newTag(t), "grep NoNewPrivs /proc/self/status; cat")
		spec.NewPrivileges = allowed
		want := "NoNewPrivs:\t1\n"
		if allowed {
			want = "NoNewPrivs:\t0\n"
		}
		expect(t, start(t, k, spec), want)
	}
	f, err := os.Open("/proc/" + strconv.Itoa(keeperPID(k)) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, "NoNewPrivs:") && line != "NoNewPrivs:\t0" {
			t.Errorf("the keeper: %s", line)
		}
	}
}

// A thread that forks lives as long as its servers, whatever other threads come and go.
func TestThreadsOutliveTheirServers(t *testing.T) {
	l := threads{}
	first, err := l.take("a", noNewPrivileges)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.take("b", func() error { return unix.EPERM }); !errors.Is(err, unix.EPERM) {
		t.Errorf("a thread that cannot give up: %v", err)
	}
	for _, name := range []string{"c", "d"} {
		other, err := l.take(name, noNewPrivileges)
		if err != nil {
			t.Fatal(err)
		}
		other.leave()
	}
	if again, err := l.take("a", noNewPrivileges); again != first || err != nil {
		t.Errorf("another thread, %v", err)
	}
	ran := false
	if first.do(func() { ran = true }); !ran || len(l) != 2 {
		t.Errorf("ran %t, %d threads", ran, len(l))
	}
	for _, other := range l {
		other.close()
	}
}

// A server and what it starts are known as such, also in a session of their own, without parent or without environment; others are not.
func TestHolds(t *testing.T) {
	k, err := OpenKeeper(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if k.Holds(os.Getpid()) {
		t.Error("before the first start it holds somebody")
	}
	tag := newTag(t)
	p := start(t, k, self(tag, "wiped"))
	expect(t, p, "detached\n")
	orphan := start(t, k, self(tag, "orphan"))
	var pid int
	if _, err := fmt.Fscan(orphan.Stdout(), &pid); err != nil {
		t.Fatal(err)
	}
	for _, pid := range append(tagged(tag), p.PID()) {
		if !k.Holds(pid) {
			t.Errorf("process %d is not known", pid)
		}
	}
	marked := bystander(t, tag, mark+"="+k.link.token+".1;")
	if !k.Holds(marked.pid) {
		t.Error("a process with the mark is not known")
	}
	for _, pid := range []int{os.Getpid(), os.Getppid(), bystander(t, newTag(t)).pid, 1, 0, 1 << 30} {
		if k.Holds(pid) {
			t.Errorf("process %d is taken for a server", pid)
		}
	}
}
