// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// keeperName is the keeper's argv[0] and command name. It must not contain "holdfast": killing by that name must spare it.
	keeperName = "mcp-keeper"
	// keeperFD is the descriptor on which a keeper finds its socket.
	keeperFD = 3
	// trimAfter is how long after an event the keeper gives unused memory back.
	trimAfter = 2 * time.Second
	// exitStuck is the keeper's exit code when something below it could not be ended.
	exitStuck = 3
)

// init turns a process that was started as a keeper into one. It is an init function so that a program which embeds
// Holdfast need not do anything in its main, and so that most of the program is never initialised in a keeper.
func init() { //nolint:gochecknoinits // the reason is above
	if len(os.Args) == 3 && os.Args[0] == keeperName {
		os.Exit(keep(os.Args[2]))
	}
}

// keep is the keeper's whole life: one loop over orders, ended children and time, on one thread, which forks or has others fork
// (see [thread]). A second goroutine reads orders; it ends with the socket, and the process after it.
func keep(token string) int {
	runtime.LockOSThread()
	w, err := prepare()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s is started by the program it belongs to, not by hand: %v\n", keeperName, err)
		return 2
	}
	// Notify, not Ignore: an ignored signal would stay ignored in the servers.
	ended, swallowed := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	signal.Notify(swallowed, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGPIPE, unix.SIGUSR1, unix.SIGUSR2,
		unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGALRM)
	orders := make(chan *message)
	go func() {
		defer close(orders)
		for {
			m, err := w.receive()
			if err != nil {
				return
			}
			orders <- m
		}
	}()
	r := newReaper(token, func(m *message) { _ = w.send(m) }) // an error means that Holdfast is gone, which orders tell too
	return r.loop(orders, ended)
}

// defaultThreadSignals gives the signals that C libraries keep for their threads
// back their default. Go's runtime leaves them as inherited, so that servers
// would inherit them ignored from whoever started Holdfast that way.
func defaultThreadSignals() {
	var action [4]uint64 // struct sigaction: all zero is the default
	for sig := uintptr(32); sig <= 34; sig++ {
		// The kernel refuses no number up to 64; a failure leaves what was.
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	}
}

// prepare makes this process fit to be a keeper.
func prepare() (*wire, error) {
	unix.CloseOnExec(keeperFD)
	defaultThreadSignals()
	w, err := newWire(os.NewFile(keeperFD, "keeper socket"))
	if err != nil {
		return nil, err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become child subreaper: %w", err)
	}
	name, err := unix.BytePtrFromString(keeperName)
	if err == nil { // for ps; without it nothing is lost
		_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0, 0, 0)
	}
	return w, Conceal()
}

// loop returns when orders is closed and no child is left, or those that are do not end.
func (r *reaper) loop(orders <-chan *message, ended <-chan os.Signal) int {
	timer := time.NewTimer(trimAfter)
	trimAt := time.Now().Add(trimAfter) // zero for not at all
	for {
		select {
		case m, ok := <-orders:
			if ok {
				r.handle(m, time.Now())
			} else {
				orders = nil
				r.close(time.Now())
			}
			trimAt = time.Now().Add(trimAfter)
		case <-ended:
			trimAt = time.Now().Add(trimAfter)
		case <-timer.C:
		}
		now := time.Now()
		children := r.reap(now)
		next := r.advance(now)
		switch {
		case r.closing && !children:
			r.removeGroups()
			return 0
		case r.closing && now.After(r.killAt.Add(giveUp)):
			return exitStuck
		}
		if !trimAt.IsZero() && !now.Before(trimAt) {
			trimAt = time.Time{}
			debug.FreeOSMemory()
		}
		timer.Stop()
		if next = soonest(next, trimAt); !next.IsZero() {
			timer.Reset(time.Until(next))
		}
	}
}
