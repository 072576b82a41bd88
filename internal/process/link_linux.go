// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sendLimit is how long an order may wait for a keeper that does not read.
const sendLimit = 10 * time.Second

// entry is a process known to a link.
type entry struct {
	p      *Process
	limits Limits
	answer chan *message // to the start; room for one
}

// link is one keeper process and the talk with it. Its one goroutine is run.
type link struct {
	log     *slog.Logger
	wire    *wire
	keeper  *exec.Cmd
	token   string
	journal *journal // nil without
	adopts  bool     // orphans become children of this process
	stderr  tail     // the keeper's own
	done    chan struct{}

	mu      sync.Mutex
	lastID  uint32
	entries map[uint32]*entry
	closing bool // no more starts; the keeper's end is wanted
	down    bool // the keeper has ended
}

// openLink launches a keeper process. The caller runs run.
func openLink(k *Keeper) (*link, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("launch keeper: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "keeper socket")
	defer theirs.Close()
	w, err := newWire(os.NewFile(uintptr(fds[0]), "keeper socket"))
	if err != nil {
		return nil, err
	}
	w.limit = sendLimit
	l := &link{log: k.log, wire: w, adopts: k.cfg.Adopt, token: rand.Text()[:tokenSize], done: make(chan struct{}), entries: map[uint32]*entry{}}
	l.openJournal(k.cfg.Journal)
	l.keeper = &exec.Cmd{
		Path:        "/proc/self/exe", // right even after the file was replaced or removed
		Args:        []string{keeperName, strconv.Itoa(os.Getpid()), l.token},
		Env:         keeperEnv(),
		Dir:         "/",
		ExtraFiles:  []*os.File{theirs}, // keeperFD
		Stderr:      &splitter{emit: l.stderr.add},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
		WaitDelay:   time.Second,
	}
	if err := launch(l.keeper); err != nil {
		_ = w.conn.Close()
		l.journal.remove()
		return nil, fmt.Errorf("launch keeper: %w", err)
	}
	l.journal.keeper(l.keeper.Process.Pid)
	l.log.Debug("keeper launched", "pid", l.keeper.Process.Pid)
	return l, nil
}

// keeperEnv asks for a small heap on one processor and passes on the marks of a Holdfast above this one, whether the keeper may be
// debugged, and what a binary built with -race or -cover needs.
func keeperEnv() []string {
	env := []string{"GOGC=25", "GOMAXPROCS=1"}
	for _, key := range []string{mark, dumpableEnv, "GORACE", "GOCOVERDIR"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return env
}

func (l *link) isDown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down
}

// start has the keeper start p, whose goroutine becomes k's. child is closed in any case.
func (l *link) start(ctx context.Context, k *Keeper, p *Process, c *command, child []*os.File) error {
	defer closeAll(child)
	answer, ok := l.register(p, c.limits)
	if !ok {
		closeAll([]*os.File{p.stdin, p.stderr.src.f})
		return errLinkDown
	}
	order := &message{kind: kindStart, id: p.id, path: c.path, dir: c.dir, argv: c.argv, env: c.env}
	if c.newPrivileges {
		order.newPrivileges = 1
	}
	if c.user != nil && !c.user.isSelf() {
		order.user = c.user.numbers()
		hand(child, c.user)
	}
	order.private = k.privacy.keptFrom(k, p.name, c)
	files, dir := l.confine(k, p, c.limits, order)
	defer closeAll(files)
	if p.settle == nil {
		p.settle = func(end error) error { l.journal.ended(p.id); return end }
	}
	l.journal.server(p.id, p.name, dir)
	k.goroutines.Go(p.run)
	if err := l.wire.send(order, append(child, files...)...); err != nil {
		if l.forget(p.id) != nil {
			p.deliver(result{err: err})
		}
		return l.sendError(c, err)
	}
	if l.isClosing() { // Close may have ordered the stop before the start was sent
		l.stop(p, 0, 0)
	}
	select {
	case m := <-answer:
		return p.started(c, m)
	case <-ctx.Done():
		l.stop(p, 0, 0)
		return context.Cause(ctx)
	}
}

// numbers is the user as an order has it.
func (a *account) numbers() []int64 {
	list := []int64{int64(a.uid), int64(a.gid)}
	for _, g := range a.groups {
		list = append(list, int64(g))
	}
	return list
}

// hand gives a server its pipes: else it could use them, but not open /dev/stderr, which leads to one.
func hand(pipes []*os.File, to *account) {
	for _, f := range pipes {
		_ = f.Chown(int(to.uid), int(to.gid)) // without CAP_CHOWN it does without
	}
}

func (l *link) sendError(c *command, err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok && errno == unix.E2BIG {
		return execError(c, errno)
	}
	return fmt.Errorf("command %q: hand over to keeper: %w", c.path, err)
}

// started takes the answer to the start.
func (p *Process) started(c *command, m *message) error {
	switch m.kind {
	case kindStarted:
		return nil
	case kindFailed:
		return execError(c, m.errno)
	default:
		return fmt.Errorf("command %q: %w", c.path, ErrKeeperDied)
	}
}

func (l *link) register(p *Process, limits Limits) (<-chan *message, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing || l.down {
		return nil, false
	}
	l.lastID++
	p.id = l.lastID
	e := &entry{p: p, limits: limits, answer: make(chan *message, 1)}
	l.entries[p.id] = e
	return e.answer, true
}

// forget returns the entry and removes it; whoever gets it delivers the result.
func (l *link) forget(id uint32) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	delete(l.entries, id)
	return e
}

// confine puts p into a control group of its own, if there are any, whose descriptor and directory it returns, and its ceilings into
// effect: by the group, or by what the order asks of the keeper.
func (l *link) confine(k *Keeper, p *Process, limits Limits, order *message) (files []*os.File, dir string) {
	groups := k.ceilings.open(l.log)
	own, f, err := groups.enter(groupPrefix+l.token+"."+strconv.FormatUint(uint64(p.id), 10), limits)
	if err != nil {
		l.log.Warn("no control group for server; its ceilings are held without", "server", p.name, "error", err)
	}
	if own == nil || !groups.has("memory") {
		order.memory = limits.Memory
	}
	if own == nil || !groups.has("cpu") {
		order.milliCPU = limits.milli()
	}
	if own == nil || !groups.has("pids") {
		order.pids = int64(limits.PIDs)
	}
	if own == nil {
		return nil, ""
	}
	p.settle = func(end error) error {
		end = own.verdict(end)
		if n := own.refused(); n > 0 {
			l.log.Warn("server was refused processes or threads over its ceiling; raise its pids limit, or have it use less",
				"server", p.name, "pids", limits.PIDs, "times", n)
		}
		if err := own.remove(); err != nil {
			l.log.Warn("control group of server stays", "server", p.name, "error", err)
		}
		l.journal.ended(p.id)
		return end
	}
	order.group = own.dir
	return []*os.File{f}, own.dir
}

func (l *link) find(id uint32) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries[id]
}

func (l *link) isClosing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing
}

// stop implements controller: stdin is closed when the keeper has answered. If the order cannot be sent, the link is ending
// and the process with it.
func (l *link) stop(p *Process, stdinGrace, termGrace time.Duration) {
	_ = l.wire.send(&message{kind: kindStop, id: p.id, stdinGrace: stdinGrace, termGrace: termGrace})
}

// run takes the keeper's messages until it ends, and then answers for what it left.
func (l *link) run() {
	defer close(l.done)
	for {
		m, err := l.wire.receive()
		if err != nil {
			break
		}
		l.dispatch(m)
	}
	_ = l.wire.conn.Close()
	err := awaitKeeper(l.keeper)
	wanted := l.isClosing()
	if err == nil || l.keeper.ProcessState.ExitCode() != exitStuck && l.killRest() {
		l.journal.remove()
	} else {
		l.journal.close() // the next start tries again
	}
	l.mu.Lock()
	l.down = true
	left := l.entries
	l.entries = nil
	l.mu.Unlock()
	if !wanted {
		l.log.Error("keeper process ended", "pid", l.keeper.Process.Pid, "state", l.keeper.ProcessState.String(),
			"servers", len(left), "stderr", strings.Join(l.stderr.lines(), "\n"))
	}
	for _, e := range left {
		select {
		case e.answer <- &message{}:
		default: // it was answered before
		}
		e.p.deliver(result{err: fmt.Errorf("%w (%s)", ErrKeeperDied, l.keeper.ProcessState)})
	}
}

func (l *link) dispatch(m *message) {
	closeFDs(m.files) // there are none
	switch m.kind {
	case kindStarted:
		if e := l.find(m.id); e != nil {
			e.p.pid = m.pid
			l.journal.started(m.id, procKey{m.pid, m.start})
			if m.errno != 0 {
				l.log.Warn("server is not kept from files of Holdfast", "server", e.p.name, "error", m.errno)
			}
			e.answer <- m
		}
	case kindSeen:
		if e := l.find(m.id); e != nil {
			_ = e.p.stdin.Close()
		}
	case kindFailed:
		if e := l.forget(m.id); e != nil {
			e.answer <- m
			e.p.deliver(result{err: m.errno})
		}
	case kindExited:
		e := l.forget(m.id)
		if e == nil {
			return
		}
		if m.ended > 0 || m.leftover > 0 {
			l.log.Info("server left processes behind", "server", e.p.name, "pid", e.p.pid, "ended", m.ended, "remaining", m.leftover)
		}
		end := exitError(unix.WaitStatus(m.status))
		switch {
		case m.overPIDs != 0:
			end = &LimitError{Resource: pidsOver, Limit: int64(e.limits.PIDs), Used: m.over, Err: end}
		case m.over > 0:
			end = &LimitError{Resource: memoryOver, Limit: e.limits.Memory, Used: m.over, Err: end}
		}
		e.p.deliver(result{err: end, usage: m.usage})
	}
}

func exitError(s unix.WaitStatus) error {
	switch {
	case s.Signaled():
		return &ExitError{Signal: s.Signal()}
	case s.ExitStatus() != 0:
		return &ExitError{Code: s.ExitStatus()}
	}
	return nil
}

// killRest ends what a keeper that was killed left behind. The servers die by their parent-death signal; the others are
// found by the keeper's session, whose number is not given away as long as it has a member, by the mark and, where this process adopts
// orphans, by being below it. False if some remain.
func (l *link) killRest() bool {
	tick := time.NewTicker(firstTick)
	defer tick.Stop()
	for end := time.Now().Add(giveUp); time.Now().Before(end); <-tick.C {
		list, keepers := census()
		below := map[procKey]bool{}
		if l.adopts {
			orphans := orphansOf(list, keepers)
			reapOrphans(orphans)
			for _, p := range orphans {
				below[p.procKey] = true
			}
		}
		found := false
		for _, p := range list {
			if p.dead || !below[p.procKey] && p.sid != l.keeper.Process.Pid && !strings.Contains(marks(p.pid), l.token+".") {
				continue
			}
			if err := signalProc(p.procKey, unix.SIGKILL); err == nil {
				found = true
			}
		}
		if !found {
			return true
		}
	}
	return false
}

// close stops everything and waits for the keeper to end.
func (l *link) close() error {
	l.mu.Lock()
	l.closing = true
	var list []*Process
	for _, e := range l.entries {
		list = append(list, e.p)
	}
	l.mu.Unlock()
	err := stopAll(list)
	_ = l.wire.conn.CloseWrite() // an error means that it is closed
	limit := time.NewTimer(leftoverGrace + giveUp + sendLimit)
	defer limit.Stop()
	select {
	case <-l.done:
	case <-limit.C:
		err = errors.Join(err, errors.New("the keeper process did not end and was killed"), l.keeper.Process.Kill())
		<-l.done
	}
	return err
}
