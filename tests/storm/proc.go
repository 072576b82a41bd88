// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// proc names a process for as long as it exists: an id alone may be used again.
type proc struct {
	pid   int
	start string // in ticks since boot
}

// parentOf is what is known of a process beside its name.
type parentOf struct {
	ppid int
	comm string
}

// readStat reads one process; false when it has ended, also as a zombie.
func readStat(pid int) (proc, parentOf, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return proc{}, parentOf{}, false
	}
	// proc(5): pid (comm) state ppid …; field 22 is the start time. comm may hold anything.
	line := string(data)
	open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return proc{}, parentOf{}, false
	}
	fields := strings.Fields(line[end+1:])
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return proc{}, parentOf{}, false
	}
	ppid, _ := strconv.Atoi(fields[1])
	return proc{pid, fields[19]}, parentOf{ppid, line[open+1 : end]}, true
}

// pids returns every process id in use.
func pids() []int {
	names, _ := filepath.Glob("/proc/[0-9]*")
	ids := make([]int, 0, len(names))
	for _, name := range names {
		if id, err := strconv.Atoi(filepath.Base(name)); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// below returns the processes under pid, and which of them is the keeper.
func below(pid int) (all []proc, keeper proc) {
	children := map[int][]proc{}
	comm := map[int]string{}
	for _, id := range pids() {
		if p, of, ok := readStat(id); ok {
			children[of.ppid] = append(children[of.ppid], p)
			comm[id] = of.comm
		}
	}
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		for _, p := range children[queue[0]] {
			all = append(all, p)
			queue = append(queue, p.pid)
			if queue[0] == pid && comm[p.pid] == "mcp-keeper" {
				keeper = p
			}
		}
	}
	return all, keeper
}

// alive returns those of the processes that still run.
func alive(list []proc) []proc {
	return slices.DeleteFunc(slices.Clone(list), func(p proc) bool {
		now, _, ok := readStat(p.pid)
		return !ok || now != p
	})
}

// carrying returns the processes with the environment variable name=value.
func carrying(name, value string) []proc {
	var found []proc
	for _, id := range pids() {
		if !hasEnv(id, name, value) {
			continue
		}
		if p, _, ok := readStat(id); ok {
			found = append(found, p)
		}
	}
	return found
}

// hasEnv reports whether a process was started with a variable; a value that
// ends in * stands for every value that begins so.
func hasEnv(pid int, name, value string) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	want, prefix := strings.CutSuffix(name+"="+value, "*")
	for entry := range bytes.SplitSeq(data, []byte{0}) {
		if string(entry) == want || prefix && bytes.HasPrefix(entry, []byte(want)) {
			return true
		}
	}
	return false
}

// serving returns the processes of one program that are servers: not what
// servers left behind, nor what one is just about to, which until its exec looks
// like its parent.
func serving(program, name, value string) map[proc]bool {
	parents := map[proc]int{}
	pid := map[int]bool{}
	for _, id := range pids() {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", id))
		if err != nil || !bytes.HasPrefix(data, append([]byte(program), 0)) {
			continue
		}
		if bytes.HasPrefix(data[len(program)+1:], []byte("stray")) || !hasEnv(id, name, value) {
			continue
		}
		if p, of, ok := readStat(id); ok {
			parents[p], pid[id] = of.ppid, true
		}
	}
	found := map[proc]bool{}
	for p, parent := range parents {
		if !pid[parent] {
			found[p] = true
		}
	}
	return found
}

// atOnce returns how many servers certainly ran at one moment: those that were
// there before it and after it.
func atOnce(program, name, value string) int {
	before := serving(program, name, value)
	after := serving(program, name, value)
	maps.DeleteFunc(before, func(p proc, _ bool) bool { return !after[p] })
	return len(before)
}

// killProc kills one process, unless its id has come to mean another.
func killProc(p proc) bool {
	handle, err := os.FindProcess(p.pid) // by pidfd, which stays with the process
	if err != nil {
		return false
	}
	defer func() { _ = handle.Release() }()
	if now, _, ok := readStat(p.pid); !ok || now != p {
		return false
	}
	return handle.Kill() == nil
}

// usage is what a process holds.
type usage struct {
	RSS, FDs, Threads int // RSS in KiB
	CPU               time.Duration
}

func usageOf(pid int) (usage, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return usage{}, fmt.Errorf("read usage: %w", err)
	}
	var u usage
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		switch name {
		case "VmRSS":
			u.RSS = n
		case "Threads":
			u.Threads = n
		}
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return usage{}, fmt.Errorf("count descriptors: %w", err)
	}
	u.FDs = len(fds)
	u.CPU = cpuOf(pid)
	return u, nil
}

// cpuOf returns the user and system time that a process has used.
func cpuOf(pid int) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * (time.Second / 100) // USER_HZ is 100 on every Linux
}
