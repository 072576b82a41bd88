// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// thread is a thread of the keeper that forks servers: what it has given up for good, they and all below them have too. It lives as
// long as one of its servers, since the kernel sends the parent-death signal when the thread ends that forked.
type thread struct {
	jobs    chan func()
	servers int // running
}

// newThread starts a thread that gives up what confine says. Its goroutine ends with close.
func newThread(confine func() error) (*thread, error) {
	t := &thread{jobs: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := confine()
		ready <- err
		for job := range t.jobs {
			job()
		}
	}()
	if err := <-ready; err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// do runs f on the thread and waits for it.
func (t *thread) do(f func()) {
	done := make(chan struct{})
	t.jobs <- func() { defer close(done); f() }
	<-done
}

func (t *thread) close() { close(t.jobs) }

// noNewPrivileges makes setuid programs, file capabilities and the like run as what they are without; see
// PR_SET_NO_NEW_PRIVS(2const).
func noNewPrivileges() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	return nil
}

// threads are the keeper's that fork, by what they have given up. The main thread, which has given up nothing, is not among them.
type threads map[string]*thread

// take returns the thread of that name, made if there is none, for one more server. Others that have no server are ended, so that
// there are no more of them than servers, and one.
func (l threads) take(name string, confine func() error) (*thread, error) {
	t := l[name]
	if t == nil {
		var err error
		if t, err = newThread(confine); err != nil {
			return nil, err
		}
		for name, idle := range l {
			if idle.servers == 0 {
				idle.close()
				delete(l, name)
			}
		}
		l[name] = t
	}
	t.servers++
	return t, nil
}

// kept returns the thread for one more server that is kept from the paths. Another one is made when something new stands beside these
// or above.
func (l threads) kept(from []string) (*thread, error) {
	entries, err := allowed(from)
	if err != nil {
		return nil, err
	}
	return l.take("kept from "+strings.Join(from, ":")+" "+digest(entries), func() error {
		if err := noNewPrivileges(); err != nil {
			return err
		}
		return holdTo(entries)
	})
}

// leave is called when a server of the thread has ended, or did not start.
func (t *thread) leave() {
	if t != nil {
		t.servers--
	}
}
