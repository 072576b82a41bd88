// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"strconv"
	"strings"
)

// survey finds every live process below the keeper and the server it belongs to; id 0 is for those nobody knows. The
// servers' own processes are not in it.
func (r *reaper) survey() map[uint32][]proc {
	tree := childrenOf()
	type node struct {
		pid   int
		owner uint32
	}
	found := map[uint32][]proc{}
	marked := map[procKey]uint32{}
	for queue := []node{{pid: r.self}}; len(queue) > 0; queue = queue[1:] {
		parent := queue[0]
		for _, p := range tree[parent.pid] {
			if s := r.serverOf(p.pid); s != nil && p.ppid == r.self {
				queue = append(queue, node{p.pid, s.id})
				continue
			}
			owner := parent.owner
			if owner == 0 {
				owner = r.ownerOf(p, marked)
			}
			queue = append(queue, node{p.pid, owner})
			if !p.dead {
				found[owner] = append(found[owner], p)
			}
		}
	}
	r.marked = marked
	for id, s := range r.servers {
		s.known = make(map[procKey]struct{}, len(found[id]))
		for _, p := range found[id] {
			s.known[p.procKey] = struct{}{}
		}
	}
	return found
}

// ownerOf finds the server of a process whose parent is gone: by group, by having been seen, by the mark.
func (r *reaper) ownerOf(p proc, marked map[procKey]uint32) uint32 {
	for id, s := range r.servers {
		if _, known := s.known[p.procKey]; known || s.pid != 0 && s.pid == p.pgid && p.sid == r.self {
			return id
		}
	}
	id, read := r.marked[p.procKey]
	if !read {
		id = r.readMark(p.pid)
	}
	marked[p.procKey] = id
	if r.servers[id] == nil {
		return 0
	}
	return id
}

func (r *reaper) readMark(pid int) uint32 {
	id, _ := markOf(marks(pid), r.token)
	return id
}

// markOf finds the server in the value of the mark.
func markOf(value, token string) (id uint32, ok bool) {
	for part := range strings.SplitSeq(value, ";") {
		if digits, ok := strings.CutPrefix(part, token+"."); ok {
			id, _ := strconv.ParseUint(digits, 10, 32)
			return uint32(id), true
		}
	}
	return 0, false
}
