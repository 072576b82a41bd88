// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Times of the keeper.
const (
	// leftoverGrace is the time between TERM and KILL for what a server left behind, and for everything when Holdfast is gone.
	leftoverGrace = time.Second
	// giveUp is how long after KILL the keeper waits for what does not die: another user's process, or one stuck in the kernel.
	giveUp = 5 * time.Second
	// While something is to be watched that sends no SIGCHLD, /proc is read at these intervals, the longer the more often.
	firstTick, lastTick = 5 * time.Millisecond, 100 * time.Millisecond
)

// reaper is the keeper's state: the servers and what is to be done with them. It has no goroutine and is used by
// one; time is handed in. Everything it reaps, signals and starts is below this process.
type reaper struct {
	token   string // distinguishes this keeper's mark from others'
	self    int
	tell    func(*message) // sends to Holdfast, as long as it lives
	servers map[uint32]*server
	marked  map[procKey]uint32 // orphans whose environment was read, and the server it names
	threads threads            // that fork
	groups  string             // directory that the servers' control groups are in; empty if they have none

	closing bool                 // Holdfast is gone or has closed
	termed  map[procKey]struct{} // when closing: who got TERM
	killAt  time.Time            // when closing: KILL from then on
	tick    time.Duration

	lookAt time.Time // when the watch over memory looks next
	tasks  tasks
	core   int // how many cores servers were bound to so far
}

// server is one MCP server's process.
type server struct {
	id             uint32
	pid            int     // also the group; 0 once it may have been given to another process
	thread         *thread // that forked it; nil for the main one
	termAt, killAt time.Time
	killed         bool  // KILL was sent, and is to be sent to whatever shows up
	memory         int64 // bytes it may use; 0 if that is not watched
	maxTasks       int   // processes and threads it may have; 0 if that is not watched
	tasks          int   // of them at the last look
	overOf         string
	over           int64 // how much of that it used when it was found to be over

	known    map[procKey]struct{} // descendants at the last look
	exited   bool
	status   unix.WaitStatus
	usage    Usage
	exitedAt time.Time
	termed   map[procKey]struct{} // leftovers that were signalled
}

func newReaper(token string, tell func(*message)) *reaper {
	return &reaper{token: token, self: os.Getpid(), tell: tell, servers: map[uint32]*server{}, marked: map[procKey]uint32{}, threads: threads{}}
}

// handle does what Holdfast orders.
func (r *reaper) handle(m *message, now time.Time) {
	switch m.kind {
	case kindStart:
		r.start(m)
		closeFDs(m.files)
	case kindStop:
		if s := r.servers[m.id]; s != nil {
			s.termAt = earlier(s.termAt, now.Add(m.stdinGrace))
			s.killAt = earlier(s.killAt, now.Add(m.stdinGrace+m.termGrace))
			if !s.exited {
				r.survey() // while the chain of parents still stands: before stdin is closed
				r.tell(&message{kind: kindSeen, id: s.id})
			}
		}
	}
}

// soonest is the earlier of two moments of which the zero one never comes.
func soonest(a, b time.Time) time.Time {
	if b.IsZero() {
		return a
	}
	return earlier(a, b)
}

// end orders KILL for a server that uses so much of a resource.
func (s *server) end(resource string, used int64, now time.Time) {
	s.overOf, s.over, s.killAt = resource, used, earlier(s.killAt, now)
}

// exit tells how a server ended.
func (s *server) exit() *message {
	m := &message{kind: kindExited, id: s.id, status: uint32(s.status), usage: s.usage, ended: len(s.termed), over: s.over}
	if s.overOf == pidsOver {
		m.overPIDs = 1
	}
	return m
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// reap collects every child that has ended; false when there is no child at all.
func (r *reaper) reap(now time.Time) bool {
	for {
		var status unix.WaitStatus
		var use unix.Rusage
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, &use)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return false
		case pid == 0:
			return true
		}
		for _, s := range r.servers {
			if s.pid == pid && !s.exited {
				s.exited, s.exitedAt, s.status = true, now, status
				s.usage = Usage{User: time.Duration(use.Utime.Nano()), System: time.Duration(use.Stime.Nano()), MaxRSS: use.Maxrss << 10}
				s.killed = s.killed || !s.killAt.IsZero() && !now.Before(s.killAt)
			}
		}
	}
}

// advance does what is due, and returns when it wants to be called again at the latest; zero if only after an event.
func (r *reaper) advance(now time.Time) time.Time {
	var busy bool
	if r.closing {
		r.endAll(now)
		busy = true
	} else {
		busy = r.sweep(now)
	}
	next := soonest(r.watch(now), r.watchTasks(now))
	for _, s := range r.servers {
		if !s.exited {
			r.stage(s, now)
			busy = busy || s.killed
			if !s.killed && !s.killAt.IsZero() {
				next = earlier(next, s.killAt)
			}
			if !s.termAt.IsZero() {
				next = earlier(next, s.termAt)
			}
		}
	}
	if !busy {
		r.tick = 0
		return next
	}
	r.tick = min(max(2*r.tick, firstTick), lastTick)
	return earlier(next, now.Add(r.tick))
}

// stage takes a running server one step further towards its end.
func (r *reaper) stage(s *server, now time.Time) {
	if !s.termAt.IsZero() && !now.Before(s.termAt) {
		s.termAt = time.Time{}
		r.signalGroup(s, unix.SIGTERM)
	}
	if s.killAt.IsZero() || now.Before(s.killAt) {
		return
	}
	s.killed = true
	for began := time.Now(); ; {
		r.signalGroup(s, unix.SIGKILL)
		rest := r.survey()[s.id]
		for _, p := range rest {
			_ = signalProc(p.procKey, unix.SIGKILL)
		}
		if s.overOf != pidsOver || len(rest) == 0 || time.Since(began) > killFor {
			return
		}
	}
}

// signalGroup signals the group of a server that has not been reaped, so that the number is certainly its own.
func (r *reaper) signalGroup(s *server, sig unix.Signal) { _ = unix.Kill(-s.pid, sig) }

// sweep ends what exited servers left behind and reports those that left nothing; true if something is still there.
func (r *reaper) sweep(now time.Time) bool {
	var exited []*server
	running := 0
	for _, s := range r.servers {
		if s.exited {
			exited = append(exited, s)
		} else {
			running++
		}
	}
	if len(exited) == 0 {
		return false
	}
	left := map[uint32][]proc{}
	if r.orphans() {
		left = r.survey()
	}
	slices.SortFunc(exited, func(a, b *server) int { return cmp.Compare(a.id, b.id) })
	if running == 0 { // whoever they belonged to, nobody needs them
		left[exited[0].id] = append(left[exited[0].id], left[0]...)
	}
	busy := false
	for _, s := range exited {
		if rest := left[s.id]; len(rest) > 0 && now.Before(s.exitedAt.Add(leftoverGrace+giveUp)) {
			r.endLeftovers(s, rest, now)
			busy = true
			continue
		}
		r.remove(s)
		end := s.exit()
		end.leftover = len(left[s.id])
		r.tell(end)
	}
	return busy
}

func (r *reaper) remove(s *server) {
	s.thread.leave()
	delete(r.servers, s.id)
}

// removeGroups ends what is in the servers' control groups and removes them, as Holdfast does while it lives. One that is busy stays,
// for the next Holdfast to find in the journal.
func (r *reaper) removeGroups() {
	if r.groups == "" {
		return
	}
	entries, _ := os.ReadDir(r.groups) // without it nothing can be done
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), groupPrefix+r.token+".") {
			dir := filepath.Join(r.groups, e.Name())
			(&group{dir: dir}).kill()
			_ = removeGroups(dir)
		}
	}
}

func (r *reaper) endLeftovers(s *server, rest []proc, now time.Time) {
	kill := s.killed || !now.Before(s.exitedAt.Add(leftoverGrace)) || !s.killAt.IsZero() && !now.Before(s.killAt)
	if s.termed == nil {
		s.termed = map[procKey]struct{}{}
	}
	for _, p := range rest {
		_, termed := s.termed[p.procKey]
		s.termed[p.procKey] = struct{}{}
		switch {
		case kill:
			_ = signalProc(p.procKey, unix.SIGKILL)
		case !termed:
			_ = signalProc(p.procKey, unix.SIGTERM)
		}
	}
}

// orphans tells whether the keeper has a child that is no server: if not, no exited server can have left anything.
func (r *reaper) orphans() bool {
	pids, ok := ownChildren()
	return !ok || slices.ContainsFunc(pids, func(pid int) bool { return r.serverOf(pid) == nil })
}

// serverOf finds the running server with that process.
func (r *reaper) serverOf(pid int) *server {
	for _, s := range r.servers {
		if s.pid == pid && !s.exited {
			return s
		}
	}
	return nil
}

// close begins the end: Holdfast is gone, by its will or not.
func (r *reaper) close(now time.Time) {
	r.closing, r.termed, r.killAt = true, map[procKey]struct{}{}, now.Add(leftoverGrace)
}

// endAll sends TERM once and, when its time is over, KILL to everything below the keeper, and reports the servers that are gone.
func (r *reaper) endAll(now time.Time) {
	for _, s := range r.servers {
		if s.exited {
			r.remove(s)
			r.tell(s.exit())
		}
	}
	kill := !now.Before(r.killAt)
	tree := childrenOf()
	for queue := []int{r.self}; len(queue) > 0; queue = queue[1:] {
		for _, p := range tree[queue[0]] {
			queue = append(queue, p.pid)
			_, termed := r.termed[p.procKey]
			r.termed[p.procKey] = struct{}{}
			switch {
			case p.dead:
			case kill:
				_ = signalProc(p.procKey, unix.SIGKILL)
			case !termed:
				_ = signalProc(p.procKey, unix.SIGTERM)
			}
		}
	}
}
