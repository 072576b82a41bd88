// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// logWait is how long a line waits, at most, for a reader of the log that does
	// not read. After the first that waited in vain none waits until it reads again.
	logWait = time.Second
	// pipeChunk is what a pipe takes without blocking once it takes anything, in
	// bytes; see pipe(7).
	pipeChunk = 4096
)

// logTo returns where log lines go: out, but no reader of a pipe, dead or hung,
// keeps the program from its work.
func logTo(out io.Writer) io.Writer {
	if f, ok := out.(*os.File); ok {
		return &logFile{f: f, wait: logWait}
	}
	return out
}

// logFile writes lines as long as they are read and counts the others. It is safe
// for concurrent use.
type logFile struct {
	f    *os.File
	wait time.Duration

	mu      sync.Mutex // held while a line is written, for at most wait
	dropped int        // lines since one was taken whole
	cut     bool       // the first of them was taken in part
}

// Write never fails: there is nobody to tell.
func (l *logFile) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait := l.wait
	if l.dropped > 0 {
		if !takes(l.f, 0) {
			l.dropped++
			return len(line), nil
		}
		l.report()
	}
	for rest := line; len(rest) > 0; {
		if !takes(l.f, wait) {
			l.dropped, l.cut = 1, len(rest) < len(line)
			break
		}
		part := rest[:min(len(rest), pipeChunk)]
		_, _ = l.f.Write(part) // a reader that is gone
		rest = rest[len(part):]
	}
	return len(line), nil
}

// report says how many lines are missing.
func (l *logFile) report() {
	begin := ""
	if l.cut {
		begin = "\n"
	}
	fmt.Fprintf(l.f, "%s… %d log lines dropped, which nobody read\n", begin, l.dropped)
	l.dropped, l.cut = 0, false
}

// takes reports whether a write to f would not block, which it waits for.
func takes(f *os.File, wait time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLOUT}} // a descriptor
	for {
		n, err := unix.Poll(fds, int(wait.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		return err != nil || n > 0 // what cannot be polled is written to
	}
}

// unread reports whether out is known to be read by nobody any more.
func unread(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	fds := []unix.PollFd{{Fd: int32(f.Fd())}} // a descriptor
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
}

// isTerminal reports whether a person may type into f: /dev/null is no terminal, though
// a character device too.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ) // a descriptor
	return err == nil
}
