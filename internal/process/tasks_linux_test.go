// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// A server that starts more processes than it may is ended with all of them, wherever these went, or is refused more; no other is.
func TestPIDCeiling(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const ceiling, wanted = 64, 2000
	for name, start1 := range map[string]string{"group": "sleep 1000 &", "sessions": "setsid sleep 1000 &"} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, k *Keeper) {
				other := self(newTag(t), "echo")
				other.Limits.PIDs = ceiling
				modest := start(t, k, other)
				tag := newTag(t)
				spec := shell(tag, fmt.Sprintf("i=0; while [ $i -lt %d ]; do %s i=$((i+1)); done; exec 1>&-; wait", wanted, start1))
				spec.Limits.PIDs = ceiling
				p := start(t, k, spec)
				_, _ = io.Copy(io.Discard, p.Stdout())
				if k.ceilings.groups.has("pids") {
					if n := len(tagged(tag)); n > ceiling {
						t.Errorf("%d processes", n)
					}
					_ = p.Stop(t.Context())
				} else {
					await(t, p)
					limit, ok := errors.AsType[*LimitError](p.Err())
					if !ok || limit.Resource != pidsOver || limit.Limit != ceiling || limit.Used <= ceiling {
						t.Errorf("Err: %v", p.Err())
					}
					t.Log(p.Err())
				}
				if left := tagged(tag); len(left) > 0 {
					t.Errorf("left behind: %d", len(left))
				}
				_, _ = io.WriteString(modest.Stdin(), "fine")
				expect(t, modest, "fine")
			})
		})
	}
}

// Threads count like processes.
func TestThreadsCount(t *testing.T) {
	r := newReaper(testToken, func(*message) {})
	self := &server{id: 1, pid: os.Getpid(), maxTasks: 2} // a Go program has more threads
	r.servers[1] = self
	now := time.Now()
	if next := r.watchTasks(now); next.IsZero() || self.overOf != pidsOver || self.over < 3 || self.killAt != now {
		t.Errorf("over of %q by %d, next look %v", self.overOf, self.over, next)
	}
	if next := r.watchTasks(now.Add(time.Hour)); !next.IsZero() {
		t.Errorf("a server that is over is looked at again: %v", next)
	}
}

// All processes are looked at only when a server can have got more than it may.
func TestTasksAreLookedAtWhenNeeded(t *testing.T) {
	r := newReaper(testToken, func(*message) {})
	s := &server{id: 1, pid: os.Getpid(), maxTasks: 1 << 20}
	r.servers[1] = s
	now := time.Now()
	r.watchTasks(now)
	if s.tasks < 1 {
		t.Fatal("it was not looked at first")
	}
	if last := lastPID(); last == 0 || r.tasks.last == 0 {
		t.Fatalf("the kernel gave pid %d last", last)
	}
	s.tasks = -1
	for range 3 {
		now = now.Add(time.Hour)
		if err := exec.Command("true").Run(); err != nil {
			t.Fatal(err)
		}
		r.watchTasks(now)
	}
	if s.tasks != -1 {
		t.Error("it was looked at though far from its ceiling")
	}
	s.maxTasks = 1
	r.watchTasks(now.Add(time.Hour))
	if s.tasks == -1 {
		t.Error("it was not looked at though it can be over")
	}
}

func TestSince(t *testing.T) {
	for _, tc := range []struct{ before, last, limit, want int }{
		{100, 100, 32768, 0}, {100, 150, 32768, 50}, {32700, 400, 32768, 468},
	} {
		w := tasks{limit: tc.limit}
		if got := w.since(tc.before, tc.last); got != tc.want {
			t.Errorf("from %d to %d of %d: %d", tc.before, tc.last, tc.limit, got)
		}
	}
}
