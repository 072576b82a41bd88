// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// link starts processes as direct children: without Linux there is no keeper process. Each process has one
// more goroutine here, which waits for it.
type link struct {
	mu       sync.Mutex
	closing  bool
	children map[*Process]*child
}

// ceilings are not held here, which is said once.
type ceilings struct{ once sync.Once }

// privacy is nothing here: servers of the same user can read what it can.
type privacy struct{}

// Reap does nothing on this system, where no journal is kept.
func Reap(context.Context, string, *slog.Logger) (ended int, err error) { return 0, nil }

func (k *Keeper) holds(int) bool { return false }

// adopt does nothing: there is no keeper that could be killed.
func adopt() (stop func(), err error) { return func() {}, nil }

// child is a running process and the timers of its stop; guarded by link.mu.
type child struct {
	cmd        *exec.Cmd
	term, kill *time.Timer
	exited     bool
}

func openLink(*Keeper) (*link, error) { return &link{children: map[*Process]*child{}}, nil }

func (l *link) isDown() bool { return false }

func (l *link) run() {}

func (l *link) start(_ context.Context, k *Keeper, p *Process, c *command, files []*os.File) error {
	defer closeAll(files)
	if c.limits.Memory > 0 || c.limits.CPU > 0 { // the one of processes is there by default
		k.ceilings.once.Do(func() { k.log.Warn("ceilings of servers are not held on this system") })
	}
	cmd := &exec.Cmd{
		Path: c.path, Args: c.argv, Env: c.env, Dir: c.dir, Stdin: files[0], Stdout: files[1], Stderr: files[2], SysProcAttr: ownGroup(c.user),
	}
	if err := l.launch(p, cmd); err != nil {
		closeAll([]*os.File{p.stdin, p.stderr.src.f})
		if errno, ok := errors.AsType[syscall.Errno](err); ok {
			return execError(c, errno)
		}
		return fmt.Errorf("command %q: %w", c.path, err)
	}
	k.goroutines.Go(p.run)
	k.goroutines.Go(func() { l.wait(p, cmd) })
	return nil
}

// launch holds the lock over the start, so that close either sees the process or prevents it.
func (l *link) launch(p *Process, cmd *exec.Cmd) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return ErrClosed
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.pid = cmd.Process.Pid
	l.children[p] = &child{cmd: cmd}
	return nil
}

func (l *link) wait(p *Process, cmd *exec.Cmd) {
	err := cmd.Wait()
	signalTree(cmd.Process, syscall.SIGKILL)
	l.mu.Lock()
	c := l.children[p]
	c.exited = true
	delete(l.children, p)
	for _, t := range []*time.Timer{c.term, c.kill} {
		if t != nil {
			t.Stop()
		}
	}
	l.mu.Unlock()
	s := cmd.ProcessState
	r := result{usage: Usage{User: s.UserTime(), System: s.SystemTime()}}
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		r.err = exitError(s)
	} else {
		r.err = err
	}
	p.deliver(r)
}

// stop implements controller.
func (l *link) stop(p *Process, stdinGrace, termGrace time.Duration) {
	_ = p.stdin.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.children[p]
	if c == nil {
		return
	}
	if c.term == nil && termGrace > 0 {
		c.term = time.AfterFunc(stdinGrace, func() { l.signal(c, syscall.SIGTERM) })
	}
	if c.kill == nil {
		c.kill = time.AfterFunc(stdinGrace+termGrace, func() { l.signal(c, syscall.SIGKILL) })
	} else if stdinGrace+termGrace == 0 {
		c.kill.Reset(0)
	}
}

// signal leaves a process alone that is known to have ended.
func (l *link) signal(c *child, sig syscall.Signal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.exited {
		signalTree(c.cmd.Process, sig)
	}
}

func (l *link) close() error {
	l.mu.Lock()
	l.closing = true
	var list []*Process
	for p := range l.children {
		list = append(list, p)
	}
	l.mu.Unlock()
	return stopAll(list)
}
