// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-mcp/holdfast/internal/ownership"
)

// maxJournal bounds how much of a journal is read, in bytes.
const maxJournal = 4 << 20

// orphan is a process that an earlier Holdfast left, and the server it belongs to.
type orphan struct {
	proc
	server   string
	isKeeper bool
}

// Reap ends what Holdfasts left behind that were killed together with their keepers, going by their journals in the directory,
// and returns how many processes that were. Journals of Holdfasts that are running are left alone, so several may share the
// directory, and a copy of a directory in use does no harm. Processes get TERM, and KILL after a second; the end of ctx cuts that short. What is ended is logged by name. The error
// says what could not be read or ended; journals of what remains are kept for the next time. A missing directory is an empty one.
func Reap(ctx context.Context, journal string, log *slog.Logger) (ended int, err error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	list, err := deadRecords(journal, log)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	c := &collector{log: log, records: list, seen: map[procKey]bool{}, spared: spared()}
	left, err := c.run(ctx)
	for _, r := range list {
		for _, s := range r.servers {
			if isGroupOf(s.group, r.token) {
				if e := (&group{dir: s.group}).remove(); e != nil {
					log.Warn("control group of an earlier run stays", "server", s.name, "error", e)
				}
			}
		}
		if len(left) == 0 {
			_ = os.Remove(r.path)
		}
	}
	return len(c.seen), err
}

// deadRecords reads the journals of Holdfasts that no longer run.
func deadRecords(dir string, log *slog.Logger) ([]*record, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read process journals: %w", err)
	}
	var list []*record
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch info, err := e.Info(); {
		case err != nil || !info.Mode().IsRegular():
		case strings.HasPrefix(e.Name(), ".new-"): // its writer was killed
			if time.Since(info.ModTime()) > time.Minute {
				_ = os.Remove(path)
			}
		case strings.HasSuffix(e.Name(), journalSuffix):
			if r := readDead(path, log); r != nil {
				list = append(list, r)
			}
		}
	}
	return list, nil
}

// readDead reads one journal; nil if its owner runs or there is nothing to be done for it.
func readDead(path string, log *slog.Logger) *record {
	r, err := readJournal(path)
	switch {
	case errors.Is(err, errLocked), errors.Is(err, os.ErrNotExist):
		return nil
	case errors.Is(err, errDamaged):
		log.Warn("process journal is damaged and removed", "file", path)
		_ = os.Remove(path)
		return nil
	case err != nil:
		log.Warn("process journal is passed over", "file", path, "error", err)
		return nil
	}
	if now := bootID(); r.boot != now && r.boot != "?" && now != "?" { // nothing outlives a boot
		_ = os.Remove(path)
		return nil
	}
	return r
}

// readJournal reads the journal of an owner that does not run: its lock is free and its process not there or, where there are no
// locks, proven to be gone. The lock alone says nothing: nobody holds that of a copy.
func readJournal(path string) (*record, error) {
	f, err := ownership.OpenFile(path, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	locking := lockFile(f)
	if errors.Is(locking, errLocked) {
		return nil, errLocked
	}
	mine, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if now, err := os.Lstat(path); err != nil || !os.SameFile(mine, now) {
		return nil, errLocked // it was written anew meanwhile, by an owner that runs
	}
	b, err := io.ReadAll(io.LimitReader(f, maxJournal))
	if err != nil {
		return nil, err
	}
	r, err := parseJournal(b)
	if err != nil {
		return nil, err
	}
	r.path = path
	if r.ownerLives() || locking != nil && !r.ownerGone() {
		return nil, errLocked
	}
	return r, nil
}

// here tells whether the pids of the journal are of this boot and this namespace.
func (r *record) here() bool {
	return r.boot == bootID() && r.ns == pidNamespace() && r.boot != "?" && r.ns != "?"
}

// ownerLives tells whether the owner certainly runs. Its pid says nothing in another namespace, but there its keeper is known by
// the token and, as long as it lives, is its child.
func (r *record) ownerLives() bool {
	if r.boot != bootID() {
		return false
	}
	if r.here() {
		now, ok := readProc(r.owner.pid)
		return ok && !now.dead && now.procKey == r.owner
	}
	for _, p := range allProcs() {
		if p.dead || keeperToken(p.pid) != r.token {
			continue
		}
		if above, ok := readProc(p.ppid); ok && !above.dead && innermostPID(p.ppid) == r.owner.pid {
			return true
		}
	}
	return false
}

// ownerGone tells whether the owner has certainly ended.
func (r *record) ownerGone() bool {
	if !r.here() {
		return false
	}
	now, ok := readProc(r.owner.pid)
	return !ok || now.dead || now.procKey != r.owner
}

// collector ends what records tell of.
type collector struct {
	log     *slog.Logger
	records []*record
	seen    map[procKey]bool // without keepers
	spared  map[int]bool
}

// spared are this process and those above it: an earlier Holdfast's server may have started this one.
func spared() map[int]bool {
	list := map[int]bool{}
	for pid := os.Getpid(); pid > 0 && !list[pid]; {
		list[pid] = true
		p, ok := readProc(pid)
		if !ok {
			break
		}
		pid = p.ppid
	}
	return list
}

// run ends everything it finds until there is nothing more to be found, and returns what remains.
func (c *collector) run(ctx context.Context) (left []orphan, err error) {
	began, pause := time.Now(), firstTick
	for {
		left = c.find()
		if len(left) == 0 {
			return nil, nil
		}
		age := time.Since(began)
		if age > 2*leftoverGrace+giveUp {
			return left, fmt.Errorf("%d processes of an earlier run do not end, among them %d of server %q", len(left), left[0].pid, left[0].server)
		}
		c.end(left, age)
		select {
		case <-ctx.Done():
			c.end(c.find(), time.Hour)
			return left, fmt.Errorf("end what an earlier run left: %w", context.Cause(ctx))
		case <-time.After(pause):
			pause = min(2*pause, lastTick)
		}
	}
}

// end signals processes according to how long this goes on. As long as a keeper is among them it does so itself, and gets more time.
func (c *collector) end(list []orphan, age time.Duration) {
	kept := false
	for _, o := range list {
		kept = kept || o.isKeeper
	}
	for _, o := range list {
		known := c.seen[o.procKey]
		if !known && !o.isKeeper {
			c.seen[o.procKey] = true
			c.log.Info("ending a process that an earlier run left", "server", o.server, "pid", o.pid, "command", firstWord("/proc/"+strconv.Itoa(o.pid)+"/comm"))
		}
		switch {
		case age >= 2*leftoverGrace, age >= leftoverGrace && !kept:
			_ = signalProc(o.procKey, unix.SIGKILL)
		case !known && !kept:
			_ = signalProc(o.procKey, unix.SIGTERM)
		}
	}
}

// find looks through all processes for those that are proven to be of one of the records.
func (c *collector) find() []orphan {
	procs := allProcs()
	proven := map[int]orphan{}
	sessions := map[int]*record{} // of keepers; with a member that is proven, they are all theirs
	for _, p := range procs {
		if p.dead {
			continue
		}
		value, token := marks(p.pid), keeperToken(p.pid)
		for _, r := range c.records {
			o, ok := r.claim(p, value, token)
			if !ok {
				continue
			}
			proven[p.pid] = o
			if r.here() && p.sid == r.keeper.pid {
				sessions[p.sid] = r
			}
			break
		}
	}
	if len(proven) == 0 {
		return nil
	}
	for _, p := range procs {
		if r := sessions[p.sid]; r != nil && !p.dead && proven[p.pid].pid == 0 {
			proven[p.pid] = orphan{proc: p, server: r.nameOfGroup(p.pgid)}
		}
	}
	return c.spread(procs, proven)
}

// spread adds the descendants of proven processes, and leaves out who is to be spared.
func (c *collector) spread(procs []proc, proven map[int]orphan) []orphan {
	tree := map[int][]proc{}
	for _, p := range procs {
		tree[p.ppid] = append(tree[p.ppid], p)
	}
	var queue, list []orphan
	for _, o := range proven {
		queue = append(queue, o)
	}
	done := map[int]bool{}
	for own := []int{os.Getpid()}; len(own) > 0; own = own[1:] { // this process and those below it are not left over
		done[own[0]] = true
		for _, p := range tree[own[0]] {
			own = append(own, p.pid)
		}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		o := queue[0]
		if done[o.pid] {
			continue
		}
		done[o.pid] = true
		if !c.spared[o.pid] && !o.dead {
			list = append(list, o)
		}
		for _, p := range tree[o.pid] {
			if own, ok := proven[p.pid]; ok {
				queue = append(queue, own)
			} else if !c.spared[o.pid] {
				queue = append(queue, orphan{proc: p, server: o.server})
			}
		}
	}
	return list
}

// claim tells whether a process is proven to be of the record: by pid and start time, or by the random token, in its arguments for a keeper
// and in the mark in its environment for everyone else.
func (r *record) claim(p proc, value, token string) (orphan, bool) {
	if r.here() {
		if p.procKey == r.keeper {
			return orphan{proc: p, isKeeper: true}, true
		}
		for _, s := range r.servers {
			if p.procKey == s.procKey {
				return orphan{proc: p, server: s.name}, true
			}
		}
	}
	if token == r.token {
		return orphan{proc: p, isKeeper: true}, true
	}
	if id, ok := markOf(value, r.token); ok {
		return orphan{proc: p, server: r.servers[id].name}, true
	}
	return orphan{}, false
}

// nameOfGroup names the server with that process group; empty if none has it.
func (r *record) nameOfGroup(pgid int) string {
	for _, s := range r.servers {
		if s.pid == pgid {
			return s.name
		}
	}
	return ""
}

// keeperToken reads the token from a keeper's arguments, as one that has just been launched may not be noted; empty for other processes.
func keeperToken(pid int) string {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	f := bytes.Split(bytes.TrimSuffix(b, []byte{0}), []byte{0})
	if len(f) != 3 || string(f[0]) != keeperName {
		return ""
	}
	return string(f[2])
}
