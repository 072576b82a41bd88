// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// start starts a server and tells how that went.
func (r *reaper) start(m *message) {
	if len(m.files) != m.sent || m.sent < startFiles || m.sent > maxFiles { // the kernel keeps descriptors back when there are too many
		r.tell(&message{kind: kindFailed, id: m.id, errno: unix.EMFILE})
		return
	}
	fds := make([]uintptr, len(m.files))
	for i, fd := range m.files {
		fds[i] = uintptr(fd)
	}
	pid, t, open, err := r.forkOn(m, fds)
	if err != nil {
		errno, ok := errors.AsType[syscall.Errno](err)
		if !ok {
			errno = unix.EINVAL
		}
		r.tell(&message{kind: kindFailed, id: m.id, errno: errno})
		return
	}
	for _, s := range r.servers {
		if s.pid == pid { // its group was empty, or the kernel would not have given the number away
			s.pid = 0
		}
	}
	r.servers[m.id] = &server{id: m.id, pid: pid, thread: t, memory: m.memory, maxTasks: int(m.pids), tasks: 1}
	if m.group != "" {
		r.groups = filepath.Dir(m.group)
	}
	p, _ := readProc(pid) // it has not been waited for: it is certainly there
	r.tell(&message{kind: kindStarted, id: m.id, pid: pid, start: p.start, errno: open})
}

// forkOn starts a server on the thread that has given up what the server has to do without. Of the main thread, where this runs, as of
// every other one that forks, it counts that it outlives the server: see [thread].
func (r *reaper) forkOn(m *message, fds []uintptr) (pid int, t *thread, open unix.Errno, err error) {
	if m.newPrivileges != 0 {
		pid, err = r.fork(m, fds)
		return pid, nil, 0, err
	}
	if len(m.private) > 0 {
		t, err = r.threads.kept(m.private)
		if open, _ = errors.AsType[unix.Errno](err); err != nil && open == 0 {
			open = unix.EINVAL
		}
	}
	if t == nil {
		if t, err = r.threads.take("no new privileges", noNewPrivileges); err != nil {
			return 0, nil, 0, err
		}
	}
	t.do(func() { pid, err = r.fork(m, fds) })
	if err != nil {
		t.leave()
		return 0, nil, 0, err
	}
	return pid, t, open, nil
}

// fork starts a server, with what its ceilings need from the first instruction.
func (r *reaper) fork(m *message, fds []uintptr) (pid int, err error) {
	attr := &syscall.ProcAttr{
		Dir: m.dir, Env: r.markEnv(m.env, m.id), Files: fds[:startFiles],
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	if len(m.user) >= 2 {
		attr.Sys.Credential = credentialOf(m.user)
	}
	if m.sent > startFiles {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, m.files[startFiles]
	}
	undo := r.pin(m.milliCPU)
	defer undo()
	pid, err = syscall.ForkExec(m.path, m.argv, attr)
	if errors.Is(err, unix.ENOSYS) && attr.Sys.UseCgroupFD { // a kernel before 5.7, or a sandbox: it is moved as soon as it is there
		attr.Sys.UseCgroupFD = false
		if pid, err = syscall.ForkExec(m.path, m.argv, attr); err == nil {
			_ = writeFile("/proc/self/fd/"+strconv.Itoa(m.files[startFiles])+"/cgroup.procs", strconv.Itoa(pid))
		}
	}
	if err == nil {
		cede(pid, m.milliCPU)
	}
	return pid, err
}

// credentialOf reads who a server is run as from an order.
func credentialOf(user []int64) *syscall.Credential {
	c := &syscall.Credential{Uid: uint32(user[0]), Gid: uint32(user[1])}
	for _, g := range user[2:] {
		c.Groups = append(c.Groups, uint32(g))
	}
	return c
}

// markEnv adds the mark to those of the Holdfasts above.
func (r *reaper) markEnv(env []string, id uint32) []string {
	env = slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, mark+"=") })
	return append(env, mark+"="+os.Getenv(mark)+r.token+"."+strconv.FormatUint(uint64(id), 10)+";")
}
