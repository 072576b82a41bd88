// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/filelock"
)

// A journal is a text file of one keeper process, locked (flock) as long as the Holdfast lives that launched it. Its first
// lines say whose it is, the others what was started; a line that is cut off is as good as not written.
//
//	holdfast processes 1
//	token TOKEN
//	boot BOOT-ID PID-NAMESPACE
//	owner PID START
//	keeper PID START
//	server ID "NAME" "CONTROL-GROUP"
//	started ID PID START
//	ended ID
const (
	journalMagic  = "holdfast processes 1"
	journalSuffix = ".journal"
	// tokenSize is the length of a keeper's token in characters of base32.
	tokenSize = 16
	// compactAt is the size in bytes at which a journal is written anew, if most of it is history.
	compactAt = 64 << 10
)

// journal is a journal being written. All methods are safe for concurrent use and do nothing on a nil one. A write that fails is
// logged once; the servers run on.
type journal struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex // held for one write: keeps lines and their order whole
	file   *os.File   // nil once closed
	head   []byte
	live   map[uint32][]byte // lines of the servers that have not ended
	size   int
	failed bool
}

// openJournal begins the journal before there is anything to note: no server may run unnoted.
func (l *link) openJournal(dir string) {
	if dir == "" {
		return
	}
	self, _ := readProc(os.Getpid())
	head := fmt.Appendf(nil, "%s\ntoken %s\nboot %s %s\nowner %d %d\n", journalMagic, l.token, bootID(), pidNamespace(), self.pid, self.start)
	j := &journal{path: filepath.Join(dir, l.token+journalSuffix), log: l.log, head: head, live: map[uint32][]byte{}}
	if err := j.rewrite(); err != nil {
		l.log.Error("no journal of processes: what outlives a kill of this process and its keeper at once will not be found", "error", err)
		return
	}
	l.journal = j
}

// bootID names this run of the kernel; empty if it does not tell.
func bootID() string { return firstWord("/proc/sys/kernel/random/boot_id") }

// pidNamespace names the set of processes that pids count in; "?" if the kernel does not tell.
func pidNamespace() string {
	name, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return "?"
	}
	return name
}

func firstWord(file string) string {
	list, err := words(file)
	if err != nil || len(list) == 0 {
		return "?"
	}
	return list[0]
}

// rewrite puts a new, locked file in the place of the old one. The old one's lock is held until then.
func (j *journal) rewrite() error {
	b := slices.Clone(j.head)
	for _, id := range slices.Sorted(maps.Keys(j.live)) {
		b = append(b, j.live[id]...)
	}
	f, err := os.CreateTemp(filepath.Dir(j.path), ".new-*")
	if err != nil {
		return fmt.Errorf("write process journal: %w", err)
	}
	err = lockFile(f)
	if errors.Is(err, errNoLocks) {
		err = nil // the owner's line tells who writes it
	}
	if err == nil {
		_, err = f.Write(b)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(f.Name(), j.path)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
		return fmt.Errorf("write process journal: %w", err)
	}
	if dir, err := os.Open(filepath.Dir(j.path)); err == nil {
		_ = dir.Sync() // a journal that a power cut takes away is of no use after it
		_ = dir.Close()
	}
	if j.file != nil {
		_ = j.file.Close()
	}
	j.file, j.size = f, len(b)
	return nil
}

// keeper notes the keeper process.
func (j *journal) keeper(pid int) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if p, ok := readProc(pid); ok { // a child not waited for
		line := fmt.Appendf(nil, "keeper %d %d\n", p.pid, p.start)
		j.head = append(j.head, line...)
		j.append(line)
	}
}

// server notes that a server is about to be started; dir is its control group, or empty.
func (j *journal) server(id uint32, name, dir string) {
	j.note(id, fmt.Appendf(nil, "server %d %q %q\n", id, name, dir))
}

// started notes the process of a server.
func (j *journal) started(id uint32, p procKey) {
	j.note(id, fmt.Appendf(nil, "started %d %d %d\n", id, p.pid, p.start))
}

func (j *journal) note(id uint32, line []byte) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.live[id] = append(j.live[id], line...)
	j.append(line)
}

// ended notes that nothing of a server is left.
func (j *journal) ended(id uint32) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.live, id)
	j.append(strconv.AppendUint([]byte("ended "), uint64(id), 10), '\n')
	kept := len(j.head)
	for _, line := range j.live {
		kept += len(line)
	}
	if j.file != nil && j.size > compactAt && j.size > 2*kept {
		j.check(j.rewrite())
	}
}

// append must be called with mu held.
func (j *journal) append(line []byte, more ...byte) {
	if j.file == nil {
		return
	}
	n, err := j.file.Write(append(line, more...))
	j.size += n
	j.check(err)
}

func (j *journal) check(err error) {
	if err != nil && !j.failed {
		j.failed = true
		j.log.Error("process journal is incomplete from here on", "error", err)
	}
}

// remove ends the journal of a keeper that left nothing behind.
func (j *journal) remove() {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file != nil {
		_ = os.Remove(j.path)
	}
	j.shut()
}

// close leaves the journal to the next start.
func (j *journal) close() {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.shut()
}

func (j *journal) shut() {
	if j.file != nil {
		_ = j.file.Close()
		j.file = nil
	}
}

var (
	errLocked  = errors.New("it is locked by a running process")
	errNoLocks = errors.New("the file system has no locks")
)

// lockFile takes the lock that ends with the process, without waiting.
func lockFile(f *os.File) error {
	switch err := filelock.Try(f); {
	case err == nil:
		return nil
	case errors.Is(err, filelock.ErrHeld):
		return errLocked
	default:
		return errNoLocks
	}
}

// record is what a journal tells.
type record struct {
	path     string
	token    string
	boot, ns string
	owner    procKey
	keeper   procKey
	servers  map[uint32]noted
}

// noted is a server as a journal tells of it.
type noted struct {
	name, group string
	procKey
}

var (
	errForeign = errors.New("it is no journal of this version")
	errDamaged = errors.New("it is damaged")
)

// parseJournal reads as far as a journal makes sense; errDamaged only if it does not say whose it is.
func parseJournal(b []byte) (*record, error) {
	magic, rest, _ := bytes.Cut(b, []byte("\n"))
	if len(b) > 0 && string(magic) != journalMagic {
		return nil, errForeign
	}
	r := &record{servers: map[uint32]noted{}}
	for line := range strings.Lines(string(rest)) {
		if !strings.HasSuffix(line, "\n") || !r.take(line) {
			break
		}
	}
	if !isToken(r.token) || r.boot == "" || r.owner.pid == 0 {
		return nil, errDamaged
	}
	return r, nil
}

// take reads one line; false if it makes no sense.
func (r *record) take(line string) bool {
	var id uint32
	var s noted
	var err error
	word, _, _ := strings.Cut(line, " ")
	switch word {
	case "token":
		_, err = fmt.Sscanf(line, "token %s\n", &r.token)
	case "boot":
		_, err = fmt.Sscanf(line, "boot %s %s\n", &r.boot, &r.ns)
	case "owner":
		_, err = fmt.Sscanf(line, "owner %d %d\n", &r.owner.pid, &r.owner.start)
	case "keeper":
		_, err = fmt.Sscanf(line, "keeper %d %d\n", &r.keeper.pid, &r.keeper.start)
	case "server":
		if _, err = fmt.Sscanf(line, "server %d %q %q\n", &id, &s.name, &s.group); err == nil {
			r.servers[id] = s
		}
	case "started":
		if _, err = fmt.Sscanf(line, "started %d %d %d\n", &id, &s.pid, &s.start); err == nil {
			known := r.servers[id]
			known.procKey = s.procKey
			r.servers[id] = known
		}
	case "ended":
		if _, err = fmt.Sscanf(line, "ended %d\n", &id); err == nil {
			delete(r.servers, id)
		}
	default:
		return false
	}
	return err == nil
}

// isToken tells whether s has the form of a keeper's token: anything less random must not be looked for in processes.
func isToken(s string) bool {
	return len(s) == tokenSize && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}
