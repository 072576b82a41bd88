// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package ownership

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// noFollow makes opening a symbolic link fail.
const noFollow = syscall.O_NOFOLLOW

// identity is who a process is to the file system.
type identity struct {
	uid, gid int
	groups   []int // further ones
}

func self() identity {
	groups, _ := os.Getgroups() // without them it is in one
	return identity{uid: os.Geteuid(), gid: os.Getegid(), groups: groups}
}

// entry is what counts of a file's or directory's metadata.
type entry struct {
	uid, gid int
	mode     os.FileMode
}

func entryOf(info os.FileInfo) entry {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return entry{uid: -1, gid: -1, mode: info.Mode()} // nobody's
	}
	return entry{uid: int(s.Uid), gid: int(s.Gid), mode: info.Mode()}
}

func checkLink(info os.FileInfo) error {
	e, me := entryOf(info), self()
	if me.trusts(e) {
		return nil
	}
	return fmt.Errorf("is a symbolic link that %s made; name the directory itself", name(e.uid))
}

func checkDirectory(info os.FileInfo) error { return self().directory(entryOf(info)) }

func checkFile(f *os.File, info os.FileInfo) error {
	e, me := entryOf(info), self()
	if dir, err := os.Stat(filepath.Dir(f.Name())); err == nil && me.opened(e, entryOf(dir)) {
		if err := f.Chmod(0o600); err != nil {
			return fmt.Errorf("cannot be closed to its group again: %w", err)
		}
		e.mode &^= 0o070
	}
	return me.file(e)
}

func checkSecret(info os.FileInfo) (exposed bool, err error) {
	e := entryOf(info)
	return e.mode.Perm()&0o004 != 0, self().secret(e)
}

// trusts reports whether the owner is this user or root.
func (me identity) trusts(e entry) bool { return e.uid == me.uid || e.uid == 0 }

// own reports whether a group is root's, or this user's alone, as systems make
// one for each user.
func (me identity) own(gid int) bool { return gid == 0 || gid == me.gid && me.gid == me.uid }

// prepared reports whether a directory was handed to a group that this process is in.
func (me identity) prepared(dir entry) bool {
	return dir.mode&os.ModeSetgid != 0 && (dir.gid == me.gid || slices.Contains(me.groups, dir.gid))
}

// opened reports whether a file of this user's was opened to the group of the
// directory it is in, as Kubernetes does with all in a volume each time it is
// mounted.
func (me identity) opened(file, dir entry) bool {
	return file.uid == me.uid && me.prepared(dir) && file.gid == dir.gid && file.mode.Perm()&0o077 == file.mode.Perm()&0o070
}

func (me identity) directory(e entry) error {
	switch perm := e.mode.Perm(); {
	case !me.trusts(e):
		return me.foreign(e)
	case perm&0o002 != 0:
		return fmt.Errorf("can be written by every user (mode %04o); run chmod go-w on it, or use a directory in it that only %s can write to", perm, name(me.uid))
	case perm&0o020 != 0 && !me.own(e.gid) && !me.prepared(e):
		return fmt.Errorf("can be written by its group (mode %04o); run chmod g-w on it", perm)
	}
	return nil
}

func (me identity) file(e entry) error {
	switch perm := e.mode.Perm(); {
	case !e.mode.IsRegular():
		return fmt.Errorf("is %s, not a regular file", describe(e.mode))
	case !me.trusts(e):
		return me.foreign(e)
	case perm&0o077 != 0:
		return fmt.Errorf("can be read or written by others (mode %04o); run chmod 600 on it", perm)
	}
	return nil
}

func (me identity) secret(e entry) error {
	switch perm := e.mode.Perm(); {
	case !me.trusts(e):
		return me.foreign(e)
	case perm&0o002 != 0 || perm&0o020 != 0 && !me.own(e.gid):
		return fmt.Errorf("can be written by others (mode %04o); run chmod go-w on it", perm)
	}
	return nil
}

func (me identity) foreign(e entry) error {
	if e.uid < 0 {
		return errors.New("is on a file system that does not tell whose it is")
	}
	return fmt.Errorf("belongs to %s, and holdfast runs as %s; run it as the owner, or change the owner with chown", name(e.uid), name(me.uid))
}

// name is a user as an error tells of it.
func name(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return fmt.Sprintf("user %s (%d)", u.Username, uid)
	}
	return fmt.Sprintf("user %d", uid)
}
