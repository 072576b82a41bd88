// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// tasksEvery is how often is asked whether anything was started, where no control group holds the ceiling of processes.
	tasksEvery = 250 * time.Millisecond
	// killFor is how long, at most, the keeper does nothing but kill the processes of a server that may start others faster than it looks.
	killFor = 500 * time.Millisecond
)

// tasks is the watch over how many processes and threads, which the kernel counts alike as tasks, each server has. Looking at all
// processes costs more than a watch may that never ends, so it is done only when a server can have got more than it may: no server has
// more than at the last look and what the kernel has started since, of anyone's.
type tasks struct {
	at    time.Time // when to ask next
	last  int       // the pid that the kernel had given last when all processes were looked at; 0 for unknown
	limit int       // pids begin anew there
}

// watchTasks orders KILL for servers that have more tasks than they may, and returns when it wants to look again.
func (r *reaper) watchTasks(now time.Time) time.Time {
	var watched []*server
	room := 0
	for _, s := range r.servers {
		if s.maxTasks == 0 || s.exited || s.overOf != "" {
			continue
		}
		if left := s.maxTasks - s.tasks; len(watched) == 0 || left < room {
			room = left
		}
		watched = append(watched, s)
	}
	if len(watched) == 0 {
		r.tasks.at = time.Time{}
		return time.Time{}
	}
	if now.Before(r.tasks.at) {
		return r.tasks.at
	}
	began, last := time.Now(), lastPID()
	r.tasks.at = now.Add(tasksEvery)
	if last != 0 && r.tasks.last != 0 && r.tasks.since(r.tasks.last, last) <= room {
		return r.tasks.at
	}
	r.tasks.last = last // before the look, so that what is started meanwhile counts as new
	r.count(watched, now)
	pause := tasksEvery
	if last == 0 {
		pause = lookEvery
	}
	r.tasks.at = now.Add(max(pause, lookCost*time.Since(began)))
	return r.tasks.at
}

// count looks how many tasks the servers have and orders KILL for those that have too many.
func (r *reaper) count(watched []*server, now time.Time) {
	below := r.survey()
	for _, s := range watched {
		list := below[s.id]
		if p, ok := readProc(s.pid); ok {
			list = append(list, p)
		}
		s.tasks = 0
		for _, p := range list {
			s.tasks += p.threads
		}
		if s.tasks > s.maxTasks {
			s.end(pidsOver, int64(s.tasks), now)
		}
	}
}

// since is how many tasks were started, at most, between two pids that the kernel gave. It gives them in order and begins anew at the limit.
func (t *tasks) since(before, last int) int {
	if last >= before {
		return last - before
	}
	if t.limit == 0 {
		t.limit = pidLimit()
	}
	return t.limit - before + last
}

// lastPID returns the pid that the kernel gave last in this namespace; 0 if it does not tell.
func lastPID() int {
	list, err := words("/proc/loadavg")
	if err != nil || len(list) != 5 {
		return 0
	}
	n, _ := strconv.Atoi(list[4])
	return n
}

// pidLimit returns where pids begin anew; the most that Linux has if it does not tell.
func pidLimit() int {
	b, _ := os.ReadFile("/proc/sys/kernel/pid_max")
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 1 << 22
	}
	return n
}
