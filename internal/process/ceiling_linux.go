// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// cpuPeriod is the time over which the kernel holds the CPU ceiling, in microseconds.
const cpuPeriod = 100_000

// ceilings finds out once, when the first server is started, what control groups there are for servers.
type ceilings struct {
	once   sync.Once
	groups cgroups
}

// open returns the control groups; they have no base where there are none to be had.
func (c *ceilings) open(log *slog.Logger) *cgroups {
	c.once.Do(func() {
		g, err := findCgroups("memory", "cpu", "pids")
		c.groups = *g
		how := func(controller, otherwise string) string {
			if c.groups.has(controller) {
				return "cgroup v2"
			}
			return otherwise
		}
		attrs := []any{
			"memory", how("memory", "watched twice a second"), "cpu", how("cpu", "bound to whole cores"),
			"pids", how("pids", "counted four times a second"),
		}
		if g.base != "" {
			attrs = append(attrs, "group", g.base)
		}
		if err != nil {
			attrs = append(attrs, "reason", err)
		}
		log.Info("ceilings of servers", attrs...)
	})
	return &c.groups
}

// group is the control group of one server.
type group struct {
	dir    string
	limits Limits
}

// make creates a group with those of the limits that can be held by one. One without any still holds the server and all below it
// together, wherever they go.
func (g *cgroups) make(name string, limits Limits) (*group, error) {
	memory, cpu, pids := limits.Memory > 0 && g.has("memory"), limits.CPU > 0 && g.has("cpu"), limits.PIDs > 0 && g.has("pids")
	own := &group{dir: filepath.Join(g.base, name), limits: limits}
	if err := os.Mkdir(own.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make control group: %w", err)
	}
	var err error
	if kind, _ := words(filepath.Join(own.dir, "cgroup.type")); !slices.Equal(kind, []string{"domain"}) {
		err = fmt.Errorf("it is of type %q", kind)
	}
	if memory {
		err = errors.Join(err, own.set("memory.max", limits.Memory), optional(own.set("memory.swap.max", 0)), optional(own.set("memory.oom.group", 1)))
	}
	if cpu {
		err = errors.Join(err, own.set("cpu.max", fmt.Sprintf("%d %d", max(limits.milli()*cpuPeriod/1000, 1000), cpuPeriod)))
	}
	if pids {
		err = errors.Join(err, own.set("pids.max", limits.PIDs))
	}
	if err != nil {
		_ = unix.Rmdir(own.dir)
		return nil, fmt.Errorf("set up control group: %w", err)
	}
	return own, nil
}

func (g *group) set(file string, value any) error {
	return writeFile(filepath.Join(g.dir, file), fmt.Sprint(value))
}

// optional forgives that this kernel does not have the file.
func optional(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// enter makes a group and returns the descriptor by which a process is started in it; nil if there are no groups here.
func (g *cgroups) enter(name string, limits Limits) (*group, *os.File, error) {
	if g.base == "" {
		return nil, nil, nil
	}
	own, err := g.make(name, limits)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(own.dir)
	if err != nil {
		return nil, nil, errors.Join(err, own.remove())
	}
	return own, f, nil
}

// verdict tells whether the kernel ended the server for its memory.
func (g *group) verdict(end error) error {
	if end == nil || g.limits.Memory <= 0 || counterOf(filepath.Join(g.dir, "memory.events"), "oom_kill") == 0 {
		return end
	}
	return &LimitError{Resource: memoryOver, Limit: g.limits.Memory, Err: end}
}

// refused is how often the group was refused a process or thread over its ceiling.
func (g *group) refused() int64 { return counterOf(filepath.Join(g.dir, "pids.events"), "max") }

// remove ends what is in the group, also what hid from the keeper, and removes it with those that a Holdfast below made in it.
func (g *group) remove() error {
	tick := time.NewTicker(firstTick)
	defer tick.Stop()
	for end := time.Now().Add(giveUp); ; <-tick.C {
		g.kill()
		err := removeGroups(g.dir)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
			return fmt.Errorf("remove control group %s: %w", g.dir, err)
		}
	}
}

// kill sends KILL to all in the group: at once, or one by one on kernels before 5.14.
func (g *group) kill() {
	if !errors.Is(g.set("cgroup.kill", 1), os.ErrNotExist) {
		return
	}
	_ = filepath.WalkDir(g.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "cgroup.procs" {
			pids, _ := words(path)
			for _, pid := range pids {
				n, _ := strconv.Atoi(pid)
				if p, ok := readProc(n); ok {
					_ = signalProc(p.procKey, unix.SIGKILL)
				}
			}
		}
		return nil
	})
}

// removeGroups removes a control group and those in it, which the kernel refuses as long as somebody is in one.
func removeGroups(dir string) error {
	below, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, d := range below {
		if d.IsDir() {
			if err := removeGroups(filepath.Join(dir, d.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// isGroupOf tells whether dir is a control group that the keeper with the token had made.
func isGroupOf(dir, token string) bool {
	var fs unix.Statfs_t
	return filepath.IsAbs(dir) && strings.HasPrefix(filepath.Base(dir), groupPrefix+token+".") &&
		unix.Statfs(dir, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}
