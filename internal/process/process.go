// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// Defaults and limits of stopping.
const (
	defaultStdinGrace = 2 * time.Second
	defaultTermGrace  = 3 * time.Second
	// killWait is how long Stop waits after KILL: only a process stuck in the kernel needs longer.
	killWait = 10 * time.Second
)

var (
	// ErrClosed is returned by Start after Close.
	ErrClosed = errors.New("process: keeper is closed")
	// ErrKeeperDied is how a process ended whose keeper process ended before it.
	ErrKeeperDied = errors.New("the keeper process ended unexpectedly")
)

// Spec describes a process to start. No shell is involved.
type Spec struct {
	// Name is the server's name in errors and log lines.
	Name string
	// Command is a path, relative to Dir if it is not absolute, or a name without a slash that is looked up in the PATH of Env.
	// Relative and empty entries of PATH are passed over.
	Command string
	// Args are the arguments after the command's own name.
	Args []string
	// Env is the whole environment as key=value; of a key given twice the last counts. Nothing is inherited, and
	// on Linux the variable HOLDFAST_KEEPER is added.
	Env []string
	// Dir is the working directory; empty means this process's own.
	Dir string
	// Stderr receives what the process writes to its standard error: one Write per line, never concurrently, with control and format
	// characters escaped, the rest of a line over 2 KiB left out. All processes of one Name together have 200 lines and 64 KiB a second;
	// what is beyond that is counted and dropped. Nil means the keeper's logger at level debug. A slow Write delays neither the process
	// nor its end.
	Stderr io.Writer
	// StdinGrace is how long Stop waits between closing stdin and TERM; 0 means 2 s, below 0 not at all.
	StdinGrace time.Duration
	// TermGrace is how long Stop waits between TERM and KILL; 0 means 3 s, below 0 not at all.
	TermGrace time.Duration
	// Limits are the server's ceilings.
	Limits Limits
	// User is who the process runs as, "user" or "user:group", by name or number; empty means as this process. It takes root, or
	// the capabilities that the error names. HOME, USER and LOGNAME are the user's where Env does not say otherwise.
	User string
	// NewPrivileges lets the process and all below it gain privileges by running programs such as sudo or newuidmap. On Linux they
	// otherwise cannot.
	NewPrivileges bool
}

// Usage is what a process has used up, known when it has ended.
type Usage struct {
	User, System time.Duration
	MaxRSS       int64 // bytes; 0 where the system does not tell
}

// ExitError says how a process ended that did not exit with code 0.
type ExitError struct {
	Code   int            // exit code, if Signal is 0
	Signal syscall.Signal // the signal that ended it, or 0
}

// Error says it in words.
func (e *ExitError) Error() string {
	if e.Signal != 0 {
		return fmt.Sprintf("ended by signal %d (%s)", int(e.Signal), e.Signal)
	}
	return fmt.Sprintf("exited with code %d", e.Code)
}

// controller carries a process's stop orders to whoever can signal it.
type controller interface {
	// stop closes stdin, once what is below the process has been looked at, and orders TERM after stdinGrace and KILL after
	// termGrace more; a second order can only hasten it.
	stop(p *Process, stdinGrace, termGrace time.Duration)
}

// result is the end of a process.
type result struct {
	err   error
	usage Usage
}

// Process is a started process. All methods are safe for concurrent use; reads of Stdout and writes of Stdin follow the
// rules of [os.File].
//
// It owns two goroutines, one reading stderr and one forwarding its lines; both end when the process has ended, and
// Done is closed after them (after the forwarder only if the receiver of the lines is not stuck).
type Process struct {
	name                  string
	id                    uint32
	pid                   int
	ctl                   controller
	stdinGrace, termGrace time.Duration

	stdin  *os.File
	stdout *outPipe
	stderr *stderrPump

	activity func(pid int) Activity

	stopOnce sync.Once
	exit     chan result // holds at most the one result
	done     chan struct{}
	settle   func(error) error // if not nil, called with how the process ended when nothing of it runs; gives what is to be told
	end      result            // valid once done is closed
}

// newProcess makes the pipes. The caller passes child (stdin, stdout, stderr) on and closes it in any case.
func newProcess(k *Keeper, spec *Spec) (p *Process, child []*os.File, err error) {
	var ours [3]*os.File
	defer func() {
		if err != nil {
			closeAll(ours[:])
			closeAll(child)
		}
	}()
	for i := range ours {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, nil, fmt.Errorf("make pipes: %w", err)
		}
		if i == 0 {
			r, w = w, r
		}
		ours[i], child = r, append(child, w)
	}
	return &Process{
		name:       spec.Name,
		stdinGrace: grace(spec.StdinGrace, defaultStdinGrace),
		termGrace:  grace(spec.TermGrace, defaultTermGrace),
		stdin:      ours[0],
		stdout:     &outPipe{f: ours[1]},
		stderr:     newStderrPump(&outPipe{f: ours[2]}, spec, k.log, k.shares.of(spec.Name)),
		activity:   k.table.activity,
		exit:       make(chan result, 1),
		done:       make(chan struct{}),
	}, child, nil
}

func grace(d, byDefault time.Duration) time.Duration {
	if d == 0 {
		return byDefault
	}
	return max(d, 0)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// PID returns the process id, which is also the id of its process group.
func (p *Process) PID() int { return p.pid }

// Stdin returns the process's standard input. Close unblocks a pending Write.
func (p *Process) Stdin() io.WriteCloser { return p.stdin }

// Stdout returns the process's standard output. A Read returns what was written, also after the end of the process, then
// io.EOF, which comes when the process has ended even if a stray process still holds the pipe. Close unblocks a pending Read; the
// user closes it.
func (p *Process) Stdout() io.ReadCloser { return p.stdout }

// StderrTail returns the last lines of standard error, at most 20 and 4 KiB, then escaped. It is complete once Done is closed.
func (p *Process) StderrTail() []string { return p.stderr.tail.lines() }

// Log takes a line that the process wrote to standard output and that belongs to its log, as if it had come on standard error: it
// counts against the same share, and is part of the tail. It never waits.
func (p *Process) Log(line []byte) {
	split := splitter{emit: func(line []byte) { p.stderr.take(line, true) }}
	_, _ = split.Write(line)
	split.flush()
}

// Done is closed when the process has ended and nothing it left behind still runs.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended: nil as long as it runs or when it exited with code 0, an [*ExitError], a [*LimitError] around
// one, or an error that wraps [ErrKeeperDied].
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.end.err
	default:
		return nil
	}
}

// Usage returns what the process used; zero as long as it runs.
func (p *Process) Usage() Usage {
	select {
	case <-p.done:
		return p.end.usage
	default:
		return Usage{}
	}
}

// Stop closes stdin, waits StdinGrace, sends TERM to the process group, waits TermGrace, sends KILL to the group and to every
// known descendant, and returns when Done is closed. The end of ctx cuts the waiting short: KILL is sent
// at once. It may be called any number of times. The error says that something is still running after KILL.
func (p *Process) Stop(ctx context.Context) error {
	p.stopOnce.Do(func() { p.ctl.stop(p, p.stdinGrace, p.termGrace) })
	limit := time.NewTimer(p.stdinGrace + p.termGrace + killWait)
	defer limit.Stop()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		p.ctl.stop(p, 0, 0)
		limit.Reset(killWait)
	case <-limit.C:
		return p.stuck()
	}
	select {
	case <-p.done:
		return nil
	case <-limit.C:
		return p.stuck()
	}
}

func (p *Process) stuck() error {
	return fmt.Errorf("stop server %q: process %d is still there %v after KILL", p.name, p.pid, killWait)
}

// deliver hands over how the process ended, and lets the readers of its pipes run dry. Called exactly once.
func (p *Process) deliver(r result) {
	p.stdout.expire()
	p.stderr.src.expire()
	p.exit <- r
}

// run reads stderr to its end, waits for the end of the process and closes done.
func (p *Process) run() {
	forwarded := make(chan struct{})
	go func() { p.stderr.forward(); close(forwarded) }()
	p.stderr.read()
	p.end = <-p.exit
	if p.settle != nil {
		p.end.err = p.settle(p.end.err)
	}
	_ = p.stdin.Close()
	p.stderr.close()
	stuck := time.NewTimer(time.Second)
	defer stuck.Stop()
	select {
	case <-forwarded:
	case <-stuck.C:
	}
	close(p.done)
}
