// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"math/bits"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Times of the watch over memory where no control group holds the ceiling.
const (
	lookEvery = 500 * time.Millisecond
	// lookSoon is the interval while a server uses more than a quarter of what it may.
	lookSoon = 100 * time.Millisecond
	// lookCost is how many times as long as a look took is waited at least before the next: the watch takes no more than 2 % of a core.
	lookCost = 50
)

// cededNice is the nice value of a server whose ceiling is not a whole number of cores.
const cededNice = 10

// watch looks at the memory of the servers with a ceiling, orders KILL for those over it, and returns when it wants to look again.
func (r *reaper) watch(now time.Time) time.Time {
	var watched []*server
	for _, s := range r.servers {
		if s.memory > 0 && !s.exited && s.overOf == "" {
			watched = append(watched, s)
		}
	}
	if len(watched) == 0 {
		return time.Time{}
	}
	if now.Before(r.lookAt) {
		return r.lookAt
	}
	began, pause := time.Now(), lookEvery
	below := r.survey()
	for _, s := range watched {
		tree := below[s.id]
		if p, ok := readProc(s.pid); ok {
			tree = append(tree, p)
		}
		used := resident(tree)
		if used > s.memory/4 {
			pause = lookSoon
		}
		if used > s.memory { // pages that several share are counted for each
			used = proportional(tree)
		}
		if used > s.memory {
			s.end(memoryOver, used, now)
		}
	}
	r.lookAt = now.Add(max(pause, lookCost*time.Since(began)))
	return r.lookAt
}

// resident is the memory of the processes, in bytes, with shared pages counted for each of them.
func resident(list []proc) (sum int64) {
	for _, p := range list {
		sum += p.rss * int64(os.Getpagesize())
	}
	return sum
}

// proportional is the memory of the processes, in bytes, with shared pages divided among those that share them.
func proportional(list []proc) (sum int64) {
	for _, p := range list {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/smaps_rollup")
		if pss, ok := parseRollup(b); ok && err == nil {
			sum += pss
		} else { // another user's, or it has just ended
			sum += resident([]proc{p})
		}
	}
	return sum
}

// parseRollup reads resident and swapped memory from proc_pid_smaps(5).
func parseRollup(b []byte) (sum int64, ok bool) {
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) != 3 || string(f[0]) != "Pss:" && string(f[0]) != "SwapPss:" {
			continue
		}
		n, err := strconv.ParseInt(string(f[1]), 10, 64)
		if err != nil {
			return 0, false
		}
		sum, ok = sum+n<<10, true
	}
	return sum, ok
}

// pin binds this thread, and so what it forks, to as many cores as the thousandths of a core fill, each time to the next ones,
// and returns what undoes it. Where the server may use every core there is, nothing is bound.
func (r *reaper) pin(milli int64) (undo func()) {
	undo = func() {}
	var all unix.CPUSet
	if milli == 0 || unix.SchedGetaffinity(0, &all) != nil {
		return undo
	}
	cores := int((milli + 999) / 1000)
	if cores >= all.Count() {
		return undo
	}
	few := nextCores(&all, r.core, cores)
	r.core += cores
	if unix.SchedSetaffinity(0, &few) != nil {
		return undo
	}
	return func() { _ = unix.SchedSetaffinity(0, &all) } // it was so before
}

// nextCores takes n cores of all, beginning after the first skip ones, around and around.
func nextCores(all *unix.CPUSet, skip, n int) (few unix.CPUSet) {
	var list []int
	for i := range len(all) * bits.UintSize {
		if all.IsSet(i) {
			list = append(list, i)
		}
	}
	for i := range n {
		few.Set(list[(skip+i)%len(list)])
	}
	return few
}

// cede makes a server that may use only a part of a core give way to others.
func cede(pid int, milli int64) {
	if milli%1000 != 0 {
		_ = unix.Setpriority(unix.PRIO_PGRP, pid, cededNice) // fails if it gives way more already
	}
}
