// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestEchoAndNormalExit(t *testing.T) {
	k := newTestKeeper(t)
	p := start(t, k, self(newTag(t), "echo"))
	if _, err := io.WriteString(p.Stdin(), "hello\n"); err != nil {
		t.Fatal(err)
	}
	expect(t, p, "hello\n")
	if err := p.Err(); err != nil {
		t.Errorf("Err while running: %v", err)
	}
	_ = p.Stdin().Close()
	await(t, p)
	if err := p.Err(); err != nil {
		t.Errorf("Err after exit 0: %v", err)
	}
	if u := p.Usage(); u.MaxRSS == 0 {
		t.Errorf("Usage: %+v", u)
	}
	if rest, err := io.ReadAll(p.Stdout()); err != nil || len(rest) > 0 {
		t.Errorf("stdout after exit: %q, %v", rest, err)
	}
}

func TestExitInWords(t *testing.T) {
	k := newTestKeeper(t)
	for script, want := range map[string]error{
		"exit 3":     &ExitError{Code: 3},
		"kill -9 $$": &ExitError{Signal: syscall.SIGKILL},
		"exit 0":     nil,
	} {
		p := start(t, k, shell(newTag(t), "echo one >&2; echo two >&2; "+script))
		await(t, p)
		if diff := cmp.Diff(want, p.Err(), cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) })); diff != "" {
			t.Errorf("%s: %s", script, diff)
		}
		if diff := cmp.Diff([]string{"one", "two"}, p.StderrTail()); diff != "" {
			t.Errorf("%s: stderr: %s", script, diff)
		}
	}
}

// What a start does is seen, whoever below the process does it; one that only waits does nothing.
func TestActivity(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	k := newTestKeeper(t)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		script   string
		progress bool
	}{
		"works":            {"while :; do :; done", true},
		"writes":           {"while sleep 0.1; do printf . >&2; done", true},
		"starts others":    {"while :; do sleep 0.1; done", true},
		"a child works":    {"(while :; do :; done) & wait", true},
		"a daemon's child": {"setsid sh -c 'while :; do :; done' & wait", true},
		"waits":            {"exec sleep 60", false},
	} {
		p := start(t, k, shell(newTag(t), "echo up; "+tc.script))
		expect(t, p, "up\n")
		before, seen := p.Activity(), false
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && !seen; {
			time.Sleep(2 * tableAge)
			now := p.Activity()
			seen = now.Progress(before) == tc.progress && (tc.progress || !now.Busy)
			before = now
		}
		if !seen {
			t.Errorf("%s: want progress %t, saw the opposite: %+v", name, tc.progress, before)
		}
		if err := p.Stop(over); err != nil {
			t.Error(err)
		}
	}
}

func TestOutputIsReadableAfterTheEnd(t *testing.T) {
	k := newTestKeeper(t)
	p := start(t, k, shell(newTag(t), "head -c 60000 /dev/zero"))
	await(t, p)
	b, err := io.ReadAll(p.Stdout())
	if err != nil || len(b) != 60000 {
		t.Errorf("got %d bytes, %v", len(b), err)
	}
}

func TestDescriptorsBlock(t *testing.T) {
	k := newTestKeeper(t)
	p := start(t, k, self(newTag(t), "blocking"))
	expect(t, p, "0 0\n1 0\n2 0\n")
	await(t, p)
}

// The child of a Go program that ignores signals or blocks them would inherit that; a server must find the defaults.
func TestSignalsAreAtDefault(t *testing.T) {
	k := newTestKeeper(t)
	p := start(t, k, shell(newTag(t), "grep -E '^Sig(Blk|Ign)' /proc/self/status"))
	b, err := io.ReadAll(p.Stdout())
	if err != nil {
		t.Fatal(err)
	}
	want := "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Error(diff)
	}
	await(t, p)
}

func TestOwnGroupAndOnlyThreeDescriptors(t *testing.T) {
	k := newTestKeeper(t)
	p := start(t, k, shell(newTag(t), "ls /proc/$$/fd | sort -n | tr '\\n' ' '; cat"))
	expect(t, p, "0 1 2 ")
	if got, ok := readProc(p.PID()); !ok || got.pgid != p.PID() || got.sid == os.Getpid() {
		t.Errorf("process: %+v", got)
	}
}

func TestStop(t *testing.T) {
	for _, tc := range []struct {
		name string
		spec func(tag string) Spec
		want error
	}{
		{"obeys-stdin", func(tag string) Spec { return self(tag, "echo") }, nil},
		{"obeys-term", func(tag string) Spec { return shell(tag, "echo ready; exec sleep 1000") }, &ExitError{Signal: syscall.SIGTERM}},
		{"stubborn", func(tag string) Spec { return self(tag, "stubborn") }, &ExitError{Signal: syscall.SIGKILL}},
		{"grandchildren", func(tag string) Spec { return shell(tag, "echo ready; sleep 1000 & sleep 1000") }, &ExitError{Signal: syscall.SIGTERM}},
		{"stopped", func(tag string) Spec { return shell(tag, "echo ready; kill -STOP $$") }, &ExitError{Signal: syscall.SIGKILL}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := newTestKeeper(t)
			spec := tc.spec(newTag(t))
			spec.StdinGrace, spec.TermGrace = 50*time.Millisecond, 50*time.Millisecond
			if tc.want == nil {
				spec.StdinGrace = 20 * time.Second
			}
			if tc.name == "obeys-term" || tc.name == "grandchildren" {
				spec.TermGrace = 20 * time.Second
			}
			p := start(t, k, spec)
			if tc.want != nil {
				expect(t, p, "ready\n")
			}
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					if err := p.Stop(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if got := fmt.Sprint(p.Err()); got != fmt.Sprint(tc.want) {
				t.Errorf("Err: got %s, want %v", got, tc.want)
			}
		})
	}
}

func TestStopIsHastenedByContext(t *testing.T) {
	k := newTestKeeper(t)
	spec := self(newTag(t), "stubborn")
	spec.StdinGrace = time.Hour
	p := start(t, k, spec)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

// A grandchild in its own session, deaf to TERM, goes with its server, while other servers run on.
func TestDetachedGrandchildGoesWithItsServer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for _, how := range []string{"stop", "crash", "own-exit"} {
		t.Run(how, func(t *testing.T) {
			k := newTestKeeper(t)
			other := start(t, k, self(newTag(t), "detach"))
			expect(t, other, "detached\n")
			tag := newTag(t)
			p := start(t, k, self(tag, "detach"))
			expect(t, p, "detached\n")
			if n := len(tagged(tag)); n != 2 {
				t.Fatalf("%d processes, want 2", n)
			}
			switch how {
			case "stop":
				if err := p.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
			case "crash":
				_ = unix.Kill(p.PID(), unix.SIGKILL)
			case "own-exit":
				_ = p.Stdin().Close()
			}
			await(t, p)
			if left := tagged(tag); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if _, err := io.WriteString(other.Stdin(), "still here"); err != nil {
				t.Fatal(err)
			}
			expect(t, other, "still here")
		})
	}
}

// Without process group and mark a grandchild is known by the look at Stop, ends with the last server, or is held by its control group.
func TestGrandchildWithoutEnvironment(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	eachWay(t, func(t *testing.T, k *Keeper) {
		t.Run("stop", func(t *testing.T) {
			other := start(t, k, self(newTag(t), "echo"))
			tag := newTag(t)
			p := start(t, k, self(tag, "wiped"))
			expect(t, p, "detached\n")
			if err := p.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := tagged(tag); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if err := other.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
		t.Run("crash", func(t *testing.T) {
			other := start(t, k, self(newTag(t), "echo"))
			tag := newTag(t)
			p := start(t, k, self(tag, "wiped"))
			expect(t, p, "detached\n")
			_ = unix.Kill(p.PID(), unix.SIGKILL)
			await(t, p)
			want := 1 // that cannot be told from another server's
			if k.ceilings.groups.base != "" {
				want = 0
			}
			if n := len(tagged(tag)); n != want {
				t.Errorf("%d left, want %d", n, want)
			}
			if err := other.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := tagged(tag); len(left) > 0 {
				t.Errorf("left behind after the last server: %v", left)
			}
		})
	})
}

func TestKill9OfOwnerLeavesNothing(t *testing.T) {
	tag := newTag(t)
	t.Cleanup(func() { nothingLeft(t) })
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{helperEnv + "=owner", tagEnv + "=" + tag, "PATH=" + os.Getenv("PATH"), "GORACE=" + noRaceSleep}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("owner says %q, %v", line, err)
	}
	tree := childrenOf()
	if n := len(tree[cmd.Process.Pid]); n != 1 {
		t.Fatalf("owner has %d children, want its keeper", n)
	}
	keeper := tree[cmd.Process.Pid][0]
	if n := len(tree[keeper.pid]); n < 3 {
		t.Fatalf("keeper has %d children", n)
	}
	if n := len(tagged(tag)); n < 8 {
		t.Fatalf("only %d processes: %v", n, tagged(tag))
	}
	own, _ := findCgroups()
	token := keeperToken(keeper.pid)
	groups := func() []string {
		list, _ := filepath.Glob(filepath.Join(own.base, groupPrefix+token+".*"))
		return list
	}
	if n := len(groups()); own.base != "" && n != 3 {
		t.Errorf("%d control groups in %s", n, own.base)
	}
	began := time.Now()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	eventually(t, "all descendants gone", func() bool { return len(tagged(tag)) == 0 })
	eventually(t, "the keeper gone", func() bool { now, ok := readProc(keeper.pid); return !ok || now.dead || now.procKey != keeper.procKey })
	t.Logf("gone after %v", time.Since(began).Round(time.Millisecond))
	if left := groups(); own.base != "" && len(left) > 0 {
		t.Errorf("control groups left: %q", left)
	}
}

func keeperPID(k *Keeper) int { return k.link.keeper.Process.Pid }

func TestKill9OfKeeper(t *testing.T) {
	k := newTestKeeper(t)
	tag := newTag(t)
	list := []*Process{start(t, k, self(tag, "detach")), start(t, k, shell(tag, "echo detached; sleep 1000 & sleep 1000"))}
	for _, p := range list {
		expect(t, p, "detached\n")
	}
	first := keeperPID(k)
	if err := unix.Kill(first, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		await(t, p)
		if !errors.Is(p.Err(), ErrKeeperDied) {
			t.Errorf("Err: %v", p.Err())
		}
	}
	if left := tagged(tag); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	p := start(t, k, self(newTag(t), "echo"))
	if keeperPID(k) == first {
		t.Error("no new keeper")
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// adopter plays a Holdfast whose keeper is killed and prints how many processes of its server are left then, and zombies.
func adopter() int {
	tag := os.Getenv(tagEnv)
	k, err := OpenKeeper(context.Background(), Config{Adopt: os.Getenv(adoptEnv) == "1"})
	if err != nil {
		panic(err)
	}
	if os.Getenv(groupsEnv) == "" {
		k.ceilings.once.Do(func() {}) // as if there were none
	}
	p, err := k.Start(context.Background(), self(tag, "wiped"))
	if err != nil {
		panic(err)
	}
	if _, err := io.ReadFull(p.Stdout(), make([]byte, len("detached\n"))); err != nil {
		panic(err)
	}
	_ = unix.Kill(keeperPID(k), unix.SIGKILL)
	<-p.Done()
	left := 0
	for _, pid := range tagged(tag) {
		if pid != os.Getpid() {
			left++
		}
	}
	fmt.Println(left, "left,", p.Err())
	for end := time.Now().Add(5 * time.Second); len(childrenOf()[os.Getpid()]) > 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	fmt.Println(len(childrenOf()[os.Getpid()]), "children")
	if err := k.Close(); err != nil {
		panic(err)
	}
	return 0
}

const (
	adoptEnv  = "PROCESS_TEST_ADOPT"
	groupsEnv = "PROCESS_TEST_GROUPS"
)

// A grandchild without environment, parent and session that could tell where it is from ends although the keeper was killed: this
// process has become its parent, or it is in the server's control group. Without either it gets away.
func TestKill9OfKeeperWithDaemon(t *testing.T) {
	own, err := findCgroups()
	if own.base == "" {
		t.Log("no control groups here:", err)
	}
	for _, tc := range []struct {
		name string
		env  []string
		want string
	}{
		{"adopted", []string{adoptEnv + "=1"}, "0 left"},
		{"grouped", []string{groupsEnv + "=1"}, "0 left"},
		{"neither", nil, "1 left"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.name == "grouped" && own.base == "" {
				tc.want = "1 left"
			}
			tag := newTag(t)
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(tc.env, helperEnv+"=adopter", tagEnv+"="+tag, "PATH="+os.Getenv("PATH"), "GORACE="+noRaceSleep)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if want := tc.want + ", the keeper process ended unexpectedly (signal: killed)\n0 children\n"; err != nil || string(out) != want {
				t.Errorf("got %q, %v; want %q", out, err, want)
			}
			for _, pid := range tagged(tag) {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
			eventually(t, "all gone", func() bool { return len(tagged(tag)) == 0 })
		})
	}
}

// Starts that meet the keeper's death either fail with the reason or run under a new keeper.
func TestKill9OfKeeperDuringStarts(t *testing.T) {
	k := newTestKeeper(t)
	tag := newTag(t)
	start(t, k, self(tag, "echo"))
	first := keeperPID(k)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if i == 5 {
				_ = unix.Kill(first, unix.SIGKILL)
			}
			p, err := k.Start(t.Context(), self(tag, "echo"))
			if err != nil {
				return
			}
			defer p.Stdout().Close()
			if err := p.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// Signals to the keeper, other than KILL, do not disturb it.
func TestKeeperIsDeaf(t *testing.T) {
	k := newTestKeeper(t)
	p := start(t, k, self(newTag(t), "echo"))
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE, unix.SIGUSR1, unix.SIGTSTP} {
		if err := unix.Kill(keeperPID(k), sig); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = io.WriteString(p.Stdin(), "fine")
	expect(t, p, "fine")
	if err := start(t, k, self(newTag(t), "echo")).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestKeeperIsNotNamedHoldfast(t *testing.T) {
	k := newTestKeeper(t)
	start(t, k, self(newTag(t), "echo"))
	dir := fmt.Sprintf("/proc/%d/", keeperPID(k))
	for _, file := range []string{"comm", "cmdline"} {
		eventually(t, file, func() bool {
			b, err := os.ReadFile(dir + file)
			return err == nil && strings.HasPrefix(string(b), keeperName) && !strings.Contains(string(b), "holdfast")
		})
	}
}

func TestConcurrentStartsAndStops(t *testing.T) {
	k := newTestKeeper(t)
	tag := newTag(t)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			spec := shell(tag, "sleep 1000 & echo up; cat")
			if i%5 == 0 {
				spec = self(tag, "detach")
			}
			spec.StdinGrace, spec.TermGrace = 100*time.Millisecond, 100*time.Millisecond
			p, err := k.Start(t.Context(), spec)
			if err != nil {
				t.Error(err)
				return
			}
			defer p.Stdout().Close()
			if _, err := p.Stdout().Read(make([]byte, 1)); err != nil {
				t.Errorf("read: %v", err)
			}
			if err := p.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if left := tagged(tag); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	// The last of them may be dead and not yet waited for.
	eventually(t, "no child of the keeper", func() bool { return len(childrenOf()[keeperPID(k)]) == 0 })
}

func TestCloseStopsEverything(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	k := NewKeeper(nil)
	tag := newTag(t)
	for range 5 {
		spec := self(tag, "detach")
		expect(t, start(t, k, spec), "detached\n")
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if left := tagged(tag); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := k.Start(t.Context(), self(tag, "echo")); !errors.Is(err, ErrClosed) {
		t.Errorf("Start after Close: %v", err)
	}
	if err := k.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// Close meets starts at every stage.
func TestCloseDuringStarts(t *testing.T) {
	for i := range 10 {
		k := NewKeeper(nil)
		tag := newTag(t)
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				spec := self(tag, "echo")
				spec.StdinGrace = -1
				p, err := k.Start(t.Context(), spec)
				if err == nil {
					await(t, p)
					_ = p.Stdout().Close()
				}
			})
		}
		if i%2 == 0 {
			eventually(t, "one runs", func() bool { return len(tagged(tag)) > 0 })
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
	}
}

func TestStartGivenUp(t *testing.T) {
	k := newTestKeeper(t)
	tag := newTag(t)
	start(t, k, self(newTag(t), "echo"))
	if err := unix.Kill(keeperPID(k), unix.SIGSTOP); err != nil { // it answers late
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := k.Start(ctx, self(tag, "stubborn")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Start: %v", err)
	}
	if err := unix.Kill(keeperPID(k), unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := start(t, k, self(newTag(t), "echo")).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "abandoned start undone", func() bool { return len(tagged(tag)) == 0 })
}
