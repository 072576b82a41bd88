// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// The test binary is its own set of servers: helperEnv names what to be, tagEnv marks everything that one test started.
const (
	helperEnv = "PROCESS_TEST_HELPER"
	tagEnv    = "PROCESS_TEST_TAG"
	// journalEnv is a fleet's journal.
	journalEnv = "PROCESS_TEST_JOURNAL"
	// noRaceSleep spares binaries built with -race the second they sleep at exit.
	noRaceSleep = "atexit_sleep_ms=0"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(helperEnv); mode != "" {
		os.Exit(helper(mode))
	}
	if err := os.Setenv("GORACE", noRaceSleep); err != nil { // for keepers
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// helper is what a started copy of the test binary does.
func helper(mode string) int {
	switch mode {
	case "echo": // ends with stdin
		_, _ = io.Copy(os.Stdout, os.Stdin)
	case "stubborn": // ends with KILL only
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		fmt.Println("ready")
		select {}
	case "detach": // leaves a stubborn grandchild in a session of its own, then is an echo
		spawnDetached("stubborn", os.Environ())
		fmt.Println("detached")
		return helper("echo")
	case "wiped": // the same, and the grandchild has no environment that tells where it is from
		spawnDetached("stubborn", []string{tagEnv + "=" + os.Getenv(tagEnv)})
		fmt.Println("detached")
		return helper("echo")
	case "orphan": // leaves a stubborn process without parent behind
		fmt.Println(spawnDetached("stubborn", os.Environ()))
	case "flood":
		line := strings.Repeat("x", 99) + "\n"
		for range 500_000 {
			_, _ = os.Stderr.WriteString(line)
		}
		fmt.Println("flooded")
		return helper("echo")
	case "blocking": // tells whether its descriptors are as a program expects them
		for fd := range 3 {
			flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
			fmt.Println(fd, flags&unix.O_NONBLOCK)
		}
	case "eat": // takes memory, in a session of its own, as long as it is let
		spawnDetached("eater", os.Environ())
		return helper("echo")
	case "eater":
		fmt.Println("ready")
		return eat()
	case "owner":
		return owner()
	case "secluder":
		return secluder()
	case "adopter":
		return adopter()
	case "concealer":
		return concealer()
	case "intruder":
		return intruder()
	case "forgetter":
		return forgetter()
	case "becomer":
		return becomer()
	case "fleet":
		return fleet()
	default:
		panic("no such helper: " + mode)
	}
	return 0
}

// spawnDetached starts a helper in its own session, waits until it has set itself up, and returns its pid.
func spawnDetached(mode string, env []string) int {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(env, helperEnv+"="+mode)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		_, err = io.ReadFull(out, make([]byte, len("ready\n")))
	}
	if err != nil {
		panic(err)
	}
	return cmd.Process.Pid
}

// owner plays Holdfast: it starts servers with all kinds of grandchildren and waits to be killed.
func owner() int {
	k := NewKeeper(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	tag := os.Getenv(tagEnv)
	for _, spec := range []Spec{
		shell(tag, "sleep 1000 & sleep 1000 & echo up; cat; wait"),
		shell(tag, "setsid sh -c 'trap \"\" TERM; sleep 1000 & wait; sleep 1000' & echo up; sleep 1000"),
		self(tag, "detach"),
	} {
		p, err := k.Start(context.Background(), spec)
		if err != nil {
			panic(err)
		}
		if _, err := p.Stdout().Read(make([]byte, 1)); err != nil {
			panic(err)
		}
	}
	fmt.Println("ready")
	select {}
}

// eat takes a mebibyte every two milliseconds, at most 1 GiB.
func eat() int {
	var all [][]byte
	for range time.Tick(2 * time.Millisecond) {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		if all = append(all, b); len(all) > 1<<10 {
			break
		}
	}
	return len(all[0]) >> 30
}

// fleetSize is how many servers a fleet has.
const fleetSize = 50

// fleet plays a Holdfast with a journal and many servers, whose grandchildren are in sessions of their own and half of them deaf to TERM.
func fleet() int {
	k, err := OpenKeeper(context.Background(), Config{Journal: os.Getenv(journalEnv)})
	if err != nil {
		panic(err)
	}
	tag := os.Getenv(tagEnv)
	var all sync.WaitGroup
	for i := range fleetSize {
		all.Go(func() {
			script := `setsid sh -c 'sleep 1000 & sleep 1000' & sleep 1000 & echo up; cat`
			if i%2 == 0 {
				script = `setsid sh -c 'trap "" TERM; sleep 1000 & sleep 1000' & env -i ` + tagEnv + "=" + tag + ` sleep 1000 & echo up; cat`
			}
			spec := shell(tag, script)
			spec.Name = "fleet-" + strconv.Itoa(i)
			if i%5 == 0 {
				spec.Limits.Memory = 1 << 30
			}
			p, err := k.Start(context.Background(), spec)
			if err != nil {
				panic(err)
			}
			if _, err := p.Stdout().Read(make([]byte, 1)); err != nil {
				panic(err)
			}
		})
	}
	all.Wait()
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin) // not longer than the test
	return 0
}

// self is a Spec for the test binary as a helper; tagged in its environment.
func self(tag, mode string) Spec {
	return Spec{
		Name: mode, Command: "/proc/self/exe", Stderr: io.Discard,
		Env: []string{helperEnv + "=" + mode, tagEnv + "=" + tag, "PATH=" + os.Getenv("PATH"), "GORACE=" + noRaceSleep},
	}
}

// shell is a Spec for a shell script.
func shell(tag, script string) Spec {
	return Spec{
		Name: "shell", Command: "sh", Args: []string{"-c", script}, Stderr: io.Discard,
		Env: []string{"PATH=" + os.Getenv("PATH"), tagEnv + "=" + tag},
	}
}

// newTag returns a name for what the test starts.
func newTag(t *testing.T) string {
	return fmt.Sprintf("%s-%d", tagPrefix(t), time.Now().UnixNano())
}

func tagPrefix(t *testing.T) string {
	return fmt.Sprintf("%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "."))
}

// nothingLeft checks, at the end of a test, that nothing it started lives.
func nothingLeft(t *testing.T) {
	t.Helper()
	for _, pid := range tagged(tagPrefix(t)) {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
		t.Errorf("still running at the end: %d %q", pid, b)
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

// tagged lists the live processes that have the tag in their environment.
func tagged(tag string) []int {
	var pids []int
	for _, p := range allProcs() {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/environ")
		if err == nil && !p.dead && strings.Contains(string(b), tagEnv+"="+tag) {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// eventually is the one way to wait for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(15 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting: %s", what)
		}
	}
}

// await waits for the end of p.
func await(t *testing.T, p *Process) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(15 * time.Second):
		t.Fatalf("process %d did not end", p.PID())
	}
}

// newTestKeeper is closed at the end of the test, which must succeed and leave nothing.
func newTestKeeper(t *testing.T) *Keeper {
	t.Helper()
	k := NewKeeper(nil)
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		nothingLeft(t)
	})
	return k
}

func start(t *testing.T, k *Keeper, spec Spec) *Process {
	t.Helper()
	p, err := k.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stdout().Close() })
	return p
}

// expect reads exactly want from stdout.
func expect(t *testing.T, p *Process, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(p.Stdout(), got); err != nil || string(got) != want {
		t.Fatalf("stdout: got %q, %v; want %q", got[:n], err, want)
	}
}
