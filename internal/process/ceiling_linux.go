// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// cpuPeriod is the time over which the kernel holds the CPU ceiling, in microseconds.
const cpuPeriod = 100_000

// ceilings finds out once, when the first server with a ceiling is started, how ceilings are held here.
type ceilings struct {
	once   sync.Once
	groups cgroups
}

// open returns the control groups; they have no controllers where there are none to be had.
func (c *ceilings) open(log *slog.Logger) *cgroups {
	c.once.Do(func() {
		g, err := findCgroups("memory", "cpu")
		if err == nil {
			c.groups = *g
		}
		how := func(controller, otherwise string) string {
			if c.groups.has(controller) {
				return "cgroup v2"
			}
			return otherwise
		}
		attrs := []any{"memory", how("memory", "watched twice a second"), "cpu", how("cpu", "bound to whole cores")}
		if err != nil {
			attrs = append(attrs, "reason", err)
		} else {
			attrs = append(attrs, "group", c.groups.base)
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

// make creates a group with those of the limits that can be held by one; nil if that is none.
func (g *cgroups) make(name string, limits Limits) (*group, error) {
	memory, cpu := limits.Memory > 0 && g.has("memory"), limits.CPU > 0 && g.has("cpu")
	if !memory && !cpu {
		return nil, nil
	}
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

// open returns the descriptor by which a process is started in the group.
func (g *group) open() (*os.File, error) { return os.Open(g.dir) }

// verdict tells whether the kernel ended the server for its memory.
func (g *group) verdict(end error) error {
	if end == nil || g.limits.Memory <= 0 || counterOf(filepath.Join(g.dir, "memory.events"), "oom_kill") == 0 {
		return end
	}
	return &LimitError{Resource: "memory", Limit: g.limits.Memory, Err: end}
}

// remove ends what is in the group, also what hid from the keeper, and removes it.
func (g *group) remove() error {
	_ = g.set("cgroup.kill", 1) // kernels before 5.14 do not have it; then rmdir fails as long as someone is in
	tick := time.NewTicker(firstTick)
	defer tick.Stop()
	for end := time.Now().Add(giveUp); ; <-tick.C {
		err := unix.Rmdir(g.dir)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
			return fmt.Errorf("remove control group %s: %w", g.dir, err)
		}
	}
}

// isGroupOf tells whether dir is a control group that the keeper with the token had made.
func isGroupOf(dir, token string) bool {
	var fs unix.Statfs_t
	return filepath.IsAbs(dir) && strings.HasPrefix(filepath.Base(dir), groupPrefix+token+".") &&
		unix.Statfs(dir, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}
