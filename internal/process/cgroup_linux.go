// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// groupPrefix begins the name of every control group made here, leafPrefix of those that are not for a server.
const (
	groupPrefix = "holdfast-"
	leafPrefix  = groupPrefix + "main-"
)

// evacuations is how often processes are looked for in a group that is to be emptied: meanwhile they may start others.
const evacuations = 20

// cgroups is a directory of cgroup v2 in which servers can get control groups of their own.
type cgroups struct {
	base        string // empty if there is none
	controllers []string
}

func (g *cgroups) has(controller string) bool {
	return g.base != "" && slices.Contains(g.controllers, controller)
}

// findCgroups looks for the control group this process is in or, where the service manager put it into a leaf of what it
// handed over, the one above, and makes it ready for groups below with as many of the controllers as possible. The
// error says why there are none of them, or no groups at all; then the result has no base.
func findCgroups(controllers ...string) (*cgroups, error) {
	own, mount, err := ownCgroup()
	if err != nil {
		return &cgroups{}, err
	}
	above := filepath.Dir(own)
	if own != mount && strings.HasPrefix(filepath.Base(own), leafPrefix) { // another Keeper was here before
		return openCgroups(above, controllers)
	}
	if own != mount && delegated(above) {
		if g, err := openCgroups(above, controllers); err == nil {
			return g, nil
		}
	}
	return openCgroups(own, controllers)
}

// ownCgroup finds the directory of this process's group and the mount point it is under.
func ownCgroup() (dir, mount string, err error) {
	membership, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", "", fmt.Errorf("find control group: %w", err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", "", fmt.Errorf("find control group: %w", err)
	}
	return locateCgroup(string(membership), string(mounts))
}

// locateCgroup reads what cgroups(7) and proc_pid_mountinfo(5) describe.
func locateCgroup(membership, mounts string) (dir, mount string, err error) {
	path, found := "", false
	for line := range strings.Lines(membership) {
		if path, found = strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); found {
			break
		}
	}
	if !found {
		return "", "", errors.New("the kernel has no cgroup v2")
	}
	for line := range strings.Lines(mounts) {
		left, right, ok := strings.Cut(line, " - ")
		f := strings.Fields(left)
		if !ok || len(f) < 5 || !strings.HasPrefix(right, "cgroup2 ") {
			continue
		}
		root, mount := unescapeMount(f[3]), unescapeMount(f[4])
		rel, err := filepath.Rel(root, path)
		if err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return filepath.Join(mount, rel), mount, nil
		}
	}
	return "", "", errors.New("cgroup v2 is not mounted here")
}

var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func unescapeMount(s string) string { return mountEscapes.Replace(s) }

// delegated tells whether systemd handed the group over; it marks it by one of these attributes.
func delegated(dir string) bool {
	var value [8]byte
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		if n, err := unix.Getxattr(dir, name, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// openCgroups makes base ready. A group that holds processes cannot hand all controllers on, and becomes a group for threads if it is
// made to hand on some, except the topmost: when the processes are all this one and its descendants, they are moved to a leaf first.
// Groups without controllers can be made in any group that is writable.
func openCgroups(base string, controllers []string) (*cgroups, error) {
	for _, file := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
		if err := unix.Access(filepath.Join(base, file), unix.W_OK); err != nil {
			return &cgroups{}, fmt.Errorf("the control group %s is not writable: %w", base, err)
		}
	}
	removeLeaves(base)
	offered, err := words(filepath.Join(base, "cgroup.controllers"))
	if err != nil {
		return &cgroups{}, fmt.Errorf("read control group: %w", err)
	}
	controllers = slices.DeleteFunc(slices.Clone(controllers), func(c string) bool { return !slices.Contains(offered, c) })
	if len(controllers) == 0 {
		return &cgroups{base: base}, fmt.Errorf("the control group %s is handed no controller for it", base)
	}
	open := enable
	if _, err := os.Stat(filepath.Join(base, "cgroup.type")); err == nil { // the topmost has none
		open = evacuate
	}
	enabled, err := open(base, controllers)
	if len(enabled) == 0 {
		return &cgroups{base: base}, fmt.Errorf("make the control group %s ready: %w", base, err)
	}
	return &cgroups{base: base, controllers: enabled}, nil
}

// enable hands the controllers on to the groups below base, and returns those that are; the error is of one that is not.
func enable(base string, controllers []string) ([]string, error) {
	file := filepath.Join(base, "cgroup.subtree_control")
	already, err := words(file)
	if err != nil {
		return nil, err
	}
	var enabled []string
	for _, c := range controllers {
		if !slices.Contains(already, c) {
			if e := writeFile(file, "+"+c); e != nil {
				err = e
				continue
			}
		}
		enabled = append(enabled, c)
	}
	return enabled, err
}

// evacuate moves this process and its descendants, if they are there, from base to a leaf below it and then enables the
// controllers. Where that does not help, they go back.
func evacuate(base string, controllers []string) ([]string, error) {
	if pids, err := words(filepath.Join(base, "cgroup.procs")); err != nil {
		return nil, err
	} else if len(pids) == 0 {
		return enable(base, controllers)
	}
	leaf := filepath.Join(base, leafPrefix+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	err := moveAll(base, leaf)
	var enabled []string
	if err == nil {
		enabled, err = enable(base, controllers)
	}
	if len(enabled) == 0 {
		_ = moveAll(leaf, base)
		_ = os.Remove(leaf)
		return nil, err
	}
	return enabled, nil
}

// moveAll moves the members of a group to another one, if all are this process or below it.
func moveAll(from, to string) error {
	for range evacuations {
		pids, err := words(filepath.Join(from, "cgroup.procs"))
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if !below(pid) {
				return fmt.Errorf("process %s, which is in it, is not ours to move", pid)
			}
		}
		for _, pid := range pids {
			if err := writeFile(filepath.Join(to, "cgroup.procs"), pid); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	return errors.New("it does not become empty")
}

// below tells whether the pid, as the kernel writes it, is this process or one of its descendants, or no longer there. The kernel
// writes 0 for a process that cannot be seen from here.
func below(pid string) bool {
	n, err := strconv.Atoi(pid)
	for err == nil && n > 1 && n != os.Getpid() {
		p, ok := readProc(n)
		if !ok {
			return true
		}
		n = p.ppid
	}
	return n == os.Getpid()
}

// removeLeaves removes the leaves of earlier evacuations; the kernel refuses it for those in use.
func removeLeaves(base string) {
	list, _ := filepath.Glob(filepath.Join(base, leafPrefix+"*"))
	for _, leaf := range list {
		_ = unix.Rmdir(leaf)
	}
}

// words reads a file of words.
func words(file string) ([]string, error) {
	b, err := os.ReadFile(file)
	return strings.Fields(string(b)), err
}

// writeFile writes to a file that exists, in one go.
func writeFile(file, value string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// counterOf reads one number of a file of names and numbers; 0 if it is not there.
func counterOf(file, name string) int64 {
	b, _ := os.ReadFile(file)
	for line := range bytes.Lines(b) {
		if f := bytes.Fields(line); len(f) >= 2 && string(f[0]) == name {
			n, _ := strconv.ParseInt(string(f[1]), 10, 64)
			return n
		}
	}
	return 0
}
