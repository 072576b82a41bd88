// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mark is the variable by which a server's descendants are known. Its value grows with each Holdfast below another:
// "<keeper token>.<server id>;" once for each.
const mark = "HOLDFAST_KEEPER"

// maxEnviron bounds how much of a process's environment is searched for the mark.
const maxEnviron = 1 << 20

// procKey names a process for good: a pid may be used again, but not with the same start time.
type procKey struct {
	pid   int
	start uint64
}

// proc is one line of /proc/<pid>/stat.
type proc struct {
	procKey
	ppid, pgid, sid int
	dead            bool // a zombie: nothing of it runs
	busy            bool // it runs, or waits for a core or a disk
	threads         int
	ticks           int64 // of CPU time, that of its children that have ended included
	rss             int64 // pages
}

// readProc reads a process; false when there is none.
func readProc(pid int) (proc, bool) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return proc{}, false
	}
	defer unix.Close(fd)
	var buf [1024]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return proc{}, false
	}
	return parseStat(pid, buf[:max(n, 0)])
}

// parseStat reads the fields of proc_pid_stat(5); the command name, in parentheses, may hold anything.
func parseStat(pid int, b []byte) (proc, bool) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return proc{}, false
	}
	f := bytes.Fields(b[i+1:]) // f[0] is field 3, the state
	if len(f) < 22 {
		return proc{}, false
	}
	num := func(i int) int { n, _ := strconv.Atoi(string(f[i])); return n }
	start, err := strconv.ParseUint(string(f[19]), 10, 64)
	if err != nil {
		return proc{}, false
	}
	p := proc{procKey: procKey{pid, start}, ppid: num(1), pgid: num(2), sid: num(3), threads: num(17), rss: int64(num(21))}
	for i := 11; i <= 14; i++ { // utime, stime, cutime, cstime
		p.ticks += int64(num(i))
	}
	switch f[0][0] {
	case 'R', 'D':
		p.busy = true
	case 'Z': // a leader whose other threads go on is a zombie too
		p.dead = p.threads <= 1
	case 'X':
		p.dead = true
	}
	return p, true
}

// innermostPID returns the pid of a process in its own namespace, which may be below this one; 0 if the kernel does not tell.
func innermostPID(pid int) int {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	for line := range bytes.Lines(b) {
		if f := bytes.Fields(line); len(f) > 1 && string(f[0]) == "NSpid:" {
			n, _ := strconv.Atoi(string(f[len(f)-1]))
			return n
		}
	}
	return 0
}

// allProcs reads every process that can be seen.
func allProcs() []proc {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var list []proc
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, ok := readProc(pid); ok {
			list = append(list, p)
		}
	}
	return list
}

// childrenOf groups all processes by parent.
func childrenOf() map[int][]proc {
	tree := map[int][]proc{}
	for _, p := range allProcs() {
		tree[p.ppid] = append(tree[p.ppid], p)
	}
	return tree
}

// ownChildren lists this process's children, exactly as long as nobody reaps meanwhile; false if the kernel does not tell.
func ownChildren() (pids []int, ok bool) {
	files, _ := filepath.Glob("/proc/self/task/*/children")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, false
		}
		for _, f := range strings.Fields(string(b)) {
			pid, err := strconv.Atoi(f)
			if err != nil {
				return nil, false
			}
			pids = append(pids, pid)
		}
	}
	return pids, len(files) > 0
}

// marks returns the value of the mark in a process's environment, empty if it cannot be read.
func marks(pid int) string {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return ""
	}
	defer f.Close()
	var b []byte
	chunk := make([]byte, 8<<10)
	for len(b) < maxEnviron {
		n, err := f.Read(chunk)
		b = append(b, chunk[:n]...)
		if err != nil {
			break
		}
	}
	for kv := range bytes.SplitSeq(b, []byte{0}) {
		if v, ok := bytes.CutPrefix(kv, []byte(mark+"=")); ok {
			return string(v)
		}
	}
	return ""
}

// signalProc signals exactly that process: a descriptor is taken first and the start time compared after, so that a pid
// that was used again is not hit.
func signalProc(p procKey, sig unix.Signal) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err == nil {
		defer unix.Close(fd)
	}
	if now, ok := readProc(p.pid); !ok || now.procKey != p {
		return unix.ESRCH
	}
	if err != nil { // a kernel before 5.3, or a sandbox
		return unix.Kill(p.pid, sig)
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}
