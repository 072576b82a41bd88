// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"sync"
	"time"
)

const (
	// tableAge is how old what was read of /proc may be: one look serves all processes that start at the time.
	tableAge = 100 * time.Millisecond
	// maxWatched bounds how many processes below one are looked at.
	maxWatched = 4096
	// statTick is the unit of times in proc_pid_stat(5): Linux shows all programs a hundred a second.
	statTick = 10 * time.Millisecond
)

// procTable is all processes by parent, as they were a moment ago. Safe for concurrent use.
type procTable struct {
	mu   sync.Mutex
	read time.Time
	tree map[int][]proc
}

// activity adds up what a process and all below it have done.
func (t *procTable) activity(pid int) (a Activity) {
	self, ok := readProc(pid)
	if !ok {
		return Activity{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); t.tree == nil || now.Sub(t.read) >= tableAge {
		t.tree, t.read = childrenOf(), now
	}
	list := []proc{self}
	for i := 0; i < len(list) && i < maxWatched; i++ {
		p := list[i]
		a.CPU += time.Duration(p.ticks) * statTick
		a.Newest = max(a.Newest, p.start)
		a.Busy = a.Busy || p.busy
		list = append(list, t.tree[p.pid]...)
	}
	return a
}
