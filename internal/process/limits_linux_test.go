// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// heapInUse is what the heap holds after collection, in bytes.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// eachWay runs the test with the ceilings as this system holds them and as they are held without control groups.
func eachWay(t *testing.T, test func(t *testing.T, k *Keeper)) {
	t.Run("system", func(t *testing.T) {
		k := newTestKeeper(t)
		test(t, k)
		t.Logf("controllers %q in %q", k.ceilings.groups.controllers, k.ceilings.groups.base)
	})
	t.Run("fallback", func(t *testing.T) {
		k := newTestKeeper(t)
		k.ceilings.once.Do(func() {}) // as if none had been found
		test(t, k)
	})
}

// The tree of a server that takes too much ends, and is said to have; no other does.
func TestMemoryCeiling(t *testing.T) {
	eachWay(t, func(t *testing.T, k *Keeper) {
		other := self(newTag(t), "echo")
		other.Limits.Memory = 512 << 20
		modest := start(t, k, other)
		tag := newTag(t)
		spec := self(tag, "eat")
		spec.Limits.Memory = 96 << 20
		p := start(t, k, spec)
		await(t, p)
		limit, ok := errors.AsType[*LimitError](p.Err())
		if !ok || limit.Resource != "memory" || limit.Limit != 96<<20 {
			t.Fatalf("Err: %v", p.Err())
		}
		if exit, ok := errors.AsType[*ExitError](p.Err()); !ok || exit.Signal != syscall.SIGKILL {
			t.Errorf("Err does not hold how it ended: %v", p.Err())
		}
		t.Log(p.Err())
		if left := tagged(tag); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		_, _ = io.WriteString(modest.Stdin(), "fine")
		expect(t, modest, "fine")
		if err := modest.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, ok := errors.AsType[*LimitError](modest.Err()); ok {
			t.Errorf("the other server: %v", modest.Err())
		}
		if left, _ := filepath.Glob(filepath.Join(k.ceilings.groups.base, groupPrefix+k.link.token+".*")); k.ceilings.groups.base != "" && len(left) > 0 {
			t.Errorf("control groups left: %q", left)
		}
	})
}

func TestCPUCeiling(t *testing.T) {
	eachWay(t, func(t *testing.T, k *Keeper) {
		spec := shell(newTag(t), "nproc; nice; while :; do :; done & while :; do :; done")
		spec.Limits.CPU = 0.5
		spec.StdinGrace, spec.TermGrace = 400*time.Millisecond, -1 // for so long it runs
		p := start(t, k, spec)
		began := time.Now()
		if k.ceilings.groups.has("cpu") {
			dir := filepath.Join(k.ceilings.groups.base, fmt.Sprintf("%s%s.%d", groupPrefix, k.link.token, p.id))
			if b, err := os.ReadFile(filepath.Join(dir, "cpu.max")); err != nil || string(b) != "50000 100000\n" {
				t.Errorf("cpu.max: %q, %v", b, err)
			}
			if own, _, err := cgroupOf(p.PID()); err != nil || own != dir {
				t.Errorf("it is in %s, %v; want %s", own, err, dir)
			}
		} else {
			expect(t, p, "1\n10\n")
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		spent, passed := p.Usage().User+p.Usage().System, time.Since(began)
		t.Logf("the first of two used %v in %v", spent, passed)
	})
}

func cgroupOf(pid int) (dir, mount string, err error) {
	membership, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", "", err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", "", err
	}
	return locateCgroup(string(membership), string(mounts))
}

// Which way ceilings are held is logged once.
func TestCeilingsAreLogged(t *testing.T) {
	var log logBuffer
	k := NewKeeper(log.logger())
	defer k.Close()
	for range 2 {
		spec := self(newTag(t), "echo")
		spec.Limits = Limits{Memory: 1 << 30, CPU: 64}
		if err := start(t, k, spec).Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "ceilings of servers"); n != 1 {
		t.Errorf("%d lines: %s", n, log.String())
	}
	t.Log(log.String())
}

func TestLimitErrorInWords(t *testing.T) {
	for _, tc := range []struct {
		err  LimitError
		want string
	}{
		{LimitError{Resource: "memory", Limit: 512 << 20, Used: 600<<20 + 5}, "ended for using more memory than its ceiling of 512 MiB (it used 600 MiB): raise the server's memory limit, or have it use less"},
		{LimitError{Resource: "pids", Limit: 512, Used: 600}, "ended for using more processes and threads than its ceiling of 512 (it used 600): raise the server's pids limit, or have it use less"},
		{LimitError{Resource: "memory", Limit: 3 << 19}, "ended for using more memory than its ceiling of 1.5 MiB: raise the server's memory limit, or have it use less"},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("got %q", got)
		}
	}
}

func TestMilli(t *testing.T) {
	for cpu, want := range map[float64]int64{0: 0, -1: 0, 0.5: 500, 0.0001: 1, 2: 2000, 1e300: 1 << 20 * 1000} {
		if got := (Limits{CPU: cpu}).milli(); got != want {
			t.Errorf("%v: %d", cpu, got)
		}
	}
}

func TestLocateCgroup(t *testing.T) {
	const v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	for _, tc := range []struct{ membership, mounts, dir, mount string }{
		{"0::/user.slice/a.scope\n", v2, "/sys/fs/cgroup/user.slice/a.scope", "/sys/fs/cgroup"},
		{"0::/\n", v2, "/sys/fs/cgroup", "/sys/fs/cgroup"},
		{"4:memory:/x\n0::/y\n", "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" + strings.Replace(v2, "/cgroup rw", "/cgroup/unified rw", 1), "/sys/fs/cgroup/unified/y", "/sys/fs/cgroup/unified"},
		{"0::/docker/1/x\n", "30 23 0:26 /docker/1 /a\\040b rw - cgroup2 cgroup rw\n", "/a b/x", "/a b"},
		{"0::/../other\n", "30 23 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "", ""},
		{"4:memory:/x\n", v2, "", ""},
		{"0::/\n", "30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n", "", ""},
	} {
		dir, mount, err := locateCgroup(tc.membership, tc.mounts)
		if dir != tc.dir || mount != tc.mount || (err == nil) != (tc.dir != "") {
			t.Errorf("%q: %q, %q, %v", tc.membership, dir, mount, err)
		}
	}
}

func TestParseRollup(t *testing.T) {
	sum, ok := parseRollup([]byte("55-7f ---p 00000000 00:00 0 [rollup]\nRss:  900 kB\nPss:  700 kB\nPss_Anon: 9 kB\nSwapPss:  24 kB\n"))
	if sum != 724<<10 || !ok {
		t.Errorf("%d, %v", sum, ok)
	}
	if _, ok := parseRollup(nil); ok {
		t.Error("nothing is accepted")
	}
}

// Shared pages are no reason to end a server: the sum of shares is not the sum of what is resident.
func TestProportionalIsNotMoreThanResident(t *testing.T) {
	self, ok := readProc(os.Getpid())
	if !ok {
		t.Fatal("no self")
	}
	rss, pss := resident([]proc{self}), proportional([]proc{self})
	if rss < 1<<20 || pss < 1<<20 || pss > 4*rss {
		t.Errorf("resident %d, proportional %d", rss, pss)
	}
}

func TestNextCores(t *testing.T) {
	var all unix.CPUSet
	for _, i := range []int{1, 2, 70, 900} {
		all.Set(i)
	}
	few := nextCores(&all, 3, 2)
	if !few.IsSet(900) || !few.IsSet(1) || few.Count() != 2 || bits.UintSize < 32 {
		t.Errorf("%v", few)
	}
}
