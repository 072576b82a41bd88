// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// logBuffer is a log for tests to read.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// startFleet starts a Holdfast's stand-in with its servers and returns it and its keeper.
func startFleet(t *testing.T, journal, tag string) (owner *exec.Cmd, keeper proc) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{helperEnv + "=fleet", tagEnv + "=" + tag, journalEnv + "=" + journal, "PATH=" + os.Getenv("PATH"), "GORACE=" + noRaceSleep}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nothingLeft(t) })
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("fleet says %q, %v", line, err)
	}
	for _, p := range childrenOf()[cmd.Process.Pid] {
		return cmd, p
	}
	t.Fatal("fleet has no keeper")
	return nil, proc{}
}

// Holdfast and its keeper die in the same instant: both are stopped first, so that neither sees the other's end.
func TestMassKillLeavesNothingAfterTheNextStart(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	tag, journal := newTag(t), t.TempDir()
	owner, keeper := startFleet(t, journal, tag)
	const before, survivors = 1 + 6*fleetSize, 4 * fleetSize // itself, and of each server sh and cat, are not among the survivors
	eventually(t, "everything up", func() bool { return len(tagged(tag)) == before })
	groups := groupsOf(tagged(tag))
	for _, sig := range []unix.Signal{unix.SIGSTOP, unix.SIGKILL} {
		for _, pid := range []int{owner.Process.Pid, keeper.pid} {
			if err := unix.Kill(pid, sig); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = owner.Wait()
	eventually(t, "only the servers' descendants left", func() bool { return len(tagged(tag)) == survivors })
	var log logBuffer
	began := time.Now()
	k, err := OpenKeeper(t.Context(), Config{Log: log.logger(), Journal: journal})
	if err != nil {
		t.Fatal(err)
	}
	if left := tagged(tag); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	t.Logf("%d processes, %d survived both kills, 0 left %v after the next start began", before, survivors, time.Since(began).Round(time.Millisecond))
	own, _, _ := ownCgroup()
	for group := range groups { // other Holdfasts on this machine have theirs
		if _, err := os.Stat(filepath.Join(own, group)); own != "" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("control group %s is left: %v", group, err)
		}
	}
	for i := range fleetSize {
		if n := strings.Count(log.String(), fmt.Sprintf("server=fleet-%d ", i)); n < survivors/fleetSize {
			t.Errorf("%d processes said to be of fleet-%d", n, i) // more are some that were just exiting
		}
	}
	p, err := k.Start(t.Context(), self(tag, "echo"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stdout().Close()
	if files := dirNames(t, journal); len(files) != 1 {
		t.Errorf("journals while running: %q", files)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	if files := dirNames(t, journal); len(files) != 0 {
		t.Errorf("journals at the end: %q", files)
	}
}

// groupsOf returns the names of the control groups made for servers that processes are in.
func groupsOf(pids []int) map[string]bool {
	names := map[string]bool{}
	for _, pid := range pids {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid)) // of one that has ended it says nothing
		for line := range strings.Lines(string(text)) {
			if name := path.Base(strings.TrimSpace(line)); strings.HasPrefix(name, groupPrefix) && !strings.HasPrefix(name, leafPrefix) {
				names[name] = true
			}
		}
	}
	return names
}

func dirNames(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// The next start may come while the keeper of the killed one is still at work.
func TestStartWhileAnEarlierKeeperEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	tag, journal := newTag(t), t.TempDir()
	owner, keeper := startFleet(t, journal, tag)
	_ = owner.Process.Kill()
	_ = owner.Wait()
	if _, err := Reap(t.Context(), journal, nil); err != nil {
		t.Error(err)
	}
	if left := tagged(tag); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if now, ok := readProc(keeper.pid); ok && !now.dead && now.procKey == keeper.procKey {
		t.Error("the keeper is still there")
	}
}

func TestReapSparesWhoRuns(t *testing.T) {
	journal := t.TempDir()
	k, err := OpenKeeper(t.Context(), Config{Journal: journal})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	p := start(t, k, self(newTag(t), "detach"))
	expect(t, p, "detached\n")
	for range 2 {
		if n, err := Reap(t.Context(), journal, nil); n != 0 || err != nil {
			t.Errorf("Reap: %d, %v", n, err)
		}
	}
	_, _ = io.WriteString(p.Stdin(), "fine")
	expect(t, p, "fine")
}

// bystander starts a process in a session of its own that no Keeper knows of and that is not below this process.
func bystander(t *testing.T, tag string, env ...string) proc {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(env, helperEnv+"=orphan", tagEnv+"="+tag)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(out)))
	p, ok := readProc(pid)
	if !ok {
		t.Fatalf("no process: %q", out)
	}
	t.Cleanup(func() { _ = signalProc(p.procKey, unix.SIGKILL) })
	return p
}

const testToken = "ABCDEFGHIJKLMNOP"

func writeJournal(t *testing.T, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, testToken+journalSuffix)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func journalText(boot string, lines ...string) string {
	return journalMagic + "\ntoken " + testToken + "\nboot " + boot + " " + pidNamespace() + "\nowner 2 1\n" + strings.Join(lines, "")
}

// Whoever only has a pid or a session in common with what a journal tells is left alone; token and start time are proof.
func TestReapNeedsProof(t *testing.T) {
	dir, tag := t.TempDir(), newTag(t)
	reused, sameSession := bystander(t, tag), bystander(t, tag, mark+"=QRSTUVWXYZ234567.1;")
	byStart, byMark := bystander(t, tag), bystander(t, tag, mark+"=outer.1;"+testToken+".7;")
	writeJournal(t, dir, journalText(bootID(),
		fmt.Sprintf("keeper %d %d\n", sameSession.pid, sameSession.start-1),
		fmt.Sprintf("server 1 %q %q\nstarted 1 %d %d\n", "reused", "", reused.pid, reused.start-1),
		fmt.Sprintf("server 2 %q %q\nstarted 2 %d %d\n", "by start", "/etc", byStart.pid, byStart.start),
		fmt.Sprintf("server 7 %q %q\n", "by mark", "")))
	var log logBuffer
	n, err := Reap(t.Context(), dir, log.logger())
	if n != 2 || err != nil {
		t.Errorf("Reap: %d, %v", n, err)
	}
	for _, p := range []proc{reused, sameSession} {
		if now, ok := readProc(p.pid); !ok || now.dead {
			t.Errorf("%d was ended", p.pid)
		}
	}
	for _, p := range []proc{byStart, byMark} {
		if now, ok := readProc(p.pid); ok && !now.dead {
			t.Errorf("%d is still there", p.pid)
		}
	}
	for _, name := range []string{`server="by start"`, `server="by mark"`} {
		if !strings.Contains(log.String(), name) {
			t.Errorf("log does not say %s: %s", name, log.String())
		}
	}
	if files := dirNames(t, dir); len(files) != 0 {
		t.Errorf("journals: %q", files)
	}
}

func TestJournalsThatMakeNoSense(t *testing.T) {
	p := bystander(t, newTag(t), mark+"="+testToken+".1;")
	for name, tc := range map[string]struct {
		text  string
		log   string
		stays bool
	}{
		"empty":       {"", "damaged", false},
		"cut-off":     {journalMagic + "\ntoken ABCD", "damaged", false},
		"short-token": {strings.Replace(journalText(bootID()), testToken, "A", 1), "damaged", false},
		"newer":       {"holdfast processes 2\n", "passed over", true},
		"foreign":     {strings.Repeat("\x00\xff", 5000), "passed over", true},
		"other-boot":  {journalText("00000000-0000-0000-0000-000000000000"), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := writeJournal(t, dir, tc.text)
			var log logBuffer
			if n, err := Reap(t.Context(), dir, log.logger()); n != 0 || err != nil {
				t.Errorf("Reap: %d, %v", n, err)
			}
			if !strings.Contains(log.String(), tc.log) || tc.log == "" && log.String() != "" {
				t.Errorf("log: %s", log.String())
			}
			if _, err := os.Stat(path); (err == nil) != tc.stays {
				t.Errorf("file: %v", err)
			}
		})
	}
	if now, ok := readProc(p.pid); !ok || now.dead {
		t.Error("a process was ended for a journal that makes no sense")
	}
}

func TestReapOfNoDirectory(t *testing.T) {
	if n, err := Reap(t.Context(), filepath.Join(t.TempDir(), "none"), nil); n != 0 || err != nil {
		t.Errorf("Reap: %d, %v", n, err)
	}
}

// A journal stays small, complete and locked however much is noted.
func TestJournalIsCompacted(t *testing.T) {
	dir := t.TempDir()
	l := &link{log: slog.New(slog.DiscardHandler), token: testToken}
	l.openJournal(dir)
	j := l.journal
	defer j.remove()
	j.keeper(os.Getpid())
	for id := range uint32(5000) {
		j.server(id, "name \"quoted\"\n", "")
		j.started(id, procKey{int(id) + 1, 99})
		if id != 17 {
			j.ended(id)
		}
	}
	b, err := os.ReadFile(j.path)
	if err != nil || len(b) > 2*compactAt {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	r, err := parseJournal(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[uint32]noted{17: {"name \"quoted\"\n", "", procKey{18, 99}}}, r.servers, cmp.AllowUnexported(noted{}, procKey{})); diff != "" {
		t.Error(diff)
	}
	if self, _ := readProc(os.Getpid()); r.keeper != self.procKey || r.owner != self.procKey {
		t.Errorf("record: %+v", r)
	}
	if _, err := readJournal(j.path); err != errLocked {
		t.Errorf("lock: %v", err)
	}
	if files := dirNames(t, dir); len(files) != 1 {
		t.Errorf("files: %q", files)
	}
}

// No start fails for want of a journal.
func TestStartWithoutRoomForTheJournal(t *testing.T) {
	var log logBuffer
	dir := filepath.Join(t.TempDir(), "journal")
	k, err := OpenKeeper(t.Context(), Config{Log: log.logger(), Journal: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := start(t, k, self(newTag(t), "echo")).Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "no journal") {
		t.Errorf("log: %s", log.String())
	}
}

func FuzzParseJournal(f *testing.F) {
	f.Add([]byte(journalText("b", "keeper 1 2\n", "server 1 \"a b\" \"/c\"\n", "started 1 3 4\n", "ended 1\n")))
	f.Add([]byte(journalMagic + "\nended 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseJournal(b)
		if err == nil && (!isToken(r.token) || r.boot == "") {
			t.Errorf("accepted %+v", r)
		}
	})
}

// Nothing of a server's life stays with Holdfast or its keeper.
func TestNothingGrows(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Setenv(dumpableEnv, "1") // so that its descriptors can be counted
	journal := t.TempDir()
	k, err := OpenKeeper(t.Context(), Config{Journal: journal})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	cycle := func(n int) {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range n / 4 {
					p, err := k.Start(t.Context(), Spec{Command: "/bin/cat", Stderr: io.Discard})
					if err != nil {
						t.Error(err)
						return
					}
					if err := p.Stop(t.Context()); err != nil {
						t.Error(err)
					}
					_ = p.Stdout().Close()
				}
			})
		}
		all.Wait()
	}
	cycle(100)
	before := measure(t, k)
	cycle(500)
	after := measure(t, k)
	t.Logf("before %+v, after %+v", before, after)
	if after.files > before.files || after.keeperFiles > before.keeperFiles {
		t.Errorf("descriptors grow: %+v, %+v", before, after)
	}
	if after.heap > before.heap+256<<10 || after.keeper > before.keeper+2<<20 {
		t.Errorf("memory grows: %+v, %+v", before, after)
	}
}

type footprint struct {
	files, keeperFiles int
	heap, keeper       int64 // bytes
}

func measure(t *testing.T, k *Keeper) footprint {
	t.Helper()
	keeper, _ := readProc(keeperPID(k))
	return footprint{
		files: len(dirNames(t, "/proc/self/fd")), keeperFiles: len(dirNames(t, fmt.Sprintf("/proc/%d/fd", keeper.pid))),
		heap: heapInUse(), keeper: resident([]proc{keeper}),
	}
}

// A journal whose lock is free may be a copy: while the process that wrote the original runs, nothing of it is touched.
func TestReapSparesTheOwnerOfACopy(t *testing.T) {
	tag := newTag(t)
	t.Cleanup(func() { nothingLeft(t) })
	owner := bystander(t, tag)
	for _, tc := range []struct {
		name  string
		owner procKey
		ended int
	}{
		{"lives", owner.procKey, 0},
		{"gone", procKey{owner.pid, owner.start - 1}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			left := bystander(t, tag)
			text := strings.Replace(journalText(bootID(), fmt.Sprintf("server 1 \"a\" \"\"\nstarted 1 %d %d\n", left.pid, left.start)),
				"owner 2 1", fmt.Sprintf("owner %d %d", tc.owner.pid, tc.owner.start), 1)
			writeJournal(t, dir, text)
			if n, err := Reap(t.Context(), dir, nil); n != tc.ended || err != nil {
				t.Errorf("Reap: %d, %v", n, err)
			}
			if files := dirNames(t, dir); len(files) != 1-tc.ended {
				t.Errorf("journals: %q", files)
			}
			_ = signalProc(left.procKey, unix.SIGKILL)
		})
	}
	_ = signalProc(owner.procKey, unix.SIGKILL)
	eventually(t, "both gone", func() bool { return len(tagged(tag)) == 0 })
}

// In another namespace of pids the owner is known by its keeper.
func TestOwnerInAnotherNamespace(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "theirs")
	self := os.Getpid()
	keeper := &exec.Cmd{Path: "/proc/self/exe", Args: []string{keeperName, strconv.Itoa(self), testToken}, ExtraFiles: []*os.File{theirs}}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	r := &record{token: testToken, boot: bootID(), ns: "pid:[1]", owner: procKey{self, 1}}
	eventually(t, "the keeper is known", func() bool { return keeperToken(keeper.Process.Pid) == testToken })
	if !r.ownerLives() {
		t.Error("the owner is taken for dead")
	}
	for _, other := range []record{
		{token: testToken, boot: "another", ns: r.ns, owner: r.owner},
		{token: "QRSTUVWXYZ234567", boot: r.boot, ns: r.ns, owner: r.owner},
		{token: testToken, boot: r.boot, ns: r.ns, owner: procKey{self + 1, 1}},
	} {
		if other.ownerLives() {
			t.Errorf("%+v lives", other)
		}
	}
	unix.Close(fds[0])
	if err := keeper.Wait(); err != nil {
		t.Error(err)
	}
	if r.ownerLives() {
		t.Error("without its keeper the owner is taken for alive")
	}
}

func TestLeftoversOfLocksThatDoNotExist(t *testing.T) {
	self, _ := readProc(os.Getpid())
	here := record{boot: bootID(), ns: pidNamespace(), owner: self.procKey}
	gone, elsewhere := here, here
	gone.owner.start--
	elsewhere.ns, elsewhere.owner = "pid:[1]", gone.owner
	got := []bool{here.ownerGone(), gone.ownerGone(), elsewhere.ownerGone()}
	if !slices.Equal(got, []bool{false, true, false}) {
		t.Errorf("gone: %v", got)
	}
}
