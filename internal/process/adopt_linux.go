// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// family is this process's keepers, which are its children and must not be taken for orphans of another.
var family = struct {
	mu      sync.Mutex // also held while a keeper is launched
	keepers map[int]bool
}{keepers: map[int]bool{}}

// launch starts a keeper.
func launch(cmd *exec.Cmd) error {
	family.mu.Lock()
	defer family.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	family.keepers[cmd.Process.Pid] = true
	return nil
}

// awaitKeeper waits for the end of a keeper.
func awaitKeeper(cmd *exec.Cmd) error {
	err := cmd.Wait()
	family.mu.Lock()
	defer family.mu.Unlock()
	delete(family.keepers, cmd.Process.Pid)
	return err
}

// census reads every process that can be seen, and which of them are keepers of this one.
func census() (list []proc, keepers map[int]bool) {
	family.mu.Lock()
	defer family.mu.Unlock()
	return allProcs(), maps.Clone(family.keepers)
}

func keepersNow() map[int]bool {
	family.mu.Lock()
	defer family.mu.Unlock()
	return maps.Clone(family.keepers)
}

// adopt makes this process the parent of what a killed keeper leaves and, until the Keeper closes, waits for those of them that have
// ended. The returned function ends that.
func adopt() (stop func(), err error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become child subreaper: %w", err)
	}
	ended, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(ended, unix.SIGCHLD)
	go func() { // ends with stop, which waits for it
		defer close(done)
		for range ended {
			list, keepers := census()
			reapOrphans(orphansOf(list, keepers))
		}
	}()
	return func() {
		signal.Stop(ended)
		close(ended)
		<-done
	}, nil
}

// orphansOf returns the children of this process that are no keepers, and all below them.
func orphansOf(list []proc, keepers map[int]bool) (found []proc) {
	tree := map[int][]proc{}
	for _, p := range list {
		tree[p.ppid] = append(tree[p.ppid], p)
	}
	for queue := []int{os.Getpid()}; len(queue) > 0; queue = queue[1:] {
		for _, p := range tree[queue[0]] {
			if !keepers[p.pid] {
				found, queue = append(found, p), append(queue, p.pid)
			}
		}
	}
	return found
}

// reapOrphans waits for those that have ended; for others than children of this process that does nothing.
func reapOrphans(list []proc) {
	for _, p := range list {
		if p.dead && p.ppid == os.Getpid() {
			_, _ = unix.Wait4(p.pid, nil, unix.WNOHANG, nil)
		}
	}
}

// walks is how often a process is followed up at most: a parent that ends meanwhile breaks the chain, which is mended at once.
const walks = 10

func (k *Keeper) holds(pid int) bool {
	k.mu.Lock()
	l := k.link
	k.mu.Unlock()
	if l != nil && strings.Contains(marks(pid), l.token+".") {
		return true
	}
	above := keepersNow()
	if k.cfg.Adopt {
		above[os.Getpid()] = true
	}
	for range walks {
		if below, whole := isBelow(pid, above); whole {
			return below
		}
	}
	return false // what is above is another user's and hidden, as no keeper is
}

// isBelow tells whether one of the processes is above another one, and whether all of those above could be seen.
func isBelow(pid int, processes map[int]bool) (below, whole bool) {
	for {
		p, ok := readProc(pid)
		if !ok {
			return false, false
		}
		if pid = p.ppid; processes[pid] {
			return true, true
		}
		if pid <= 1 {
			return false, true
		}
	}
}
