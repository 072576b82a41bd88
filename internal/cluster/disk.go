// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// DiskError says why this node's store cannot be written, and what to do, in words
// for an operator. It is an [ErrNoQuorum], and where space is short an [ErrStorage].
type DiskError struct {
	Dir   string // of the store
	Cause error
}

// Error implements error.
func (e *DiskError) Error() string {
	k := e.kind()
	if k.errno != 0 && !errors.As(e.Cause, new(*shortError)) { // without the path of some file
		return fmt.Sprintf("the store in %s cannot be written: %v; %s", e.Dir, k.errno, k.advice)
	}
	return fmt.Sprintf("the store in %s cannot be written: %v; %s", e.Dir, e.Cause, k.advice)
}

// Is reports whether target is [ErrNoQuorum], or [ErrStorage] where space is short.
func (e *DiskError) Is(target error) bool {
	return target == ErrNoQuorum || target == ErrStorage && e.kind().space
}

// Unwrap returns the cause.
func (e *DiskError) Unwrap() error { return e.Cause }

// Passes reports whether the store may be written again in this process. After
// other errors nobody knows what has reached the disk, so only a start that reads
// everything again is sound.
func (e *DiskError) Passes() bool { return e.kind().passes }

// diskKind is a kind of write error.
type diskKind struct {
	errno  syscall.Errno
	passes bool // a store that is opened again has all that it acknowledged
	space  bool // for lack of space
	advice string
}

// diskKinds are the write errors that an operator can do something about.
var diskKinds = []diskKind{
	{syscall.ENOSPC, true, true, "free some space, and this node goes on by itself"},
	{syscall.EDQUOT, true, true, "raise the quota or free some space, and this node goes on by itself"},
	{syscall.EFBIG, true, true, "raise the limit on the size of files (ulimit -f), and this node goes on by itself"},
	{syscall.ENFILE, true, false, "raise the host's limit on open files (fs.file-max); this node goes on by itself when there are fewer"}, // its words begin with those of EMFILE
	{syscall.EMFILE, true, false, "raise the limit on file descriptors (ulimit -n); this node goes on by itself when some are free"},
	{syscall.ENOMEM, true, false, "this node goes on by itself when the host has memory again"},
	{syscall.EROFS, true, false, "mount it for writing, and this node goes on by itself"},
	{syscall.EACCES, true, false, "let the user of this process write there, and this node goes on by itself"},
	{syscall.EPERM, true, false, "let the user of this process write there, and this node goes on by itself"},
	{syscall.ENOENT, false, false, "it was removed while this node ran; start the node again"},
	{syscall.EIO, false, false, "check the disk, then start this node again"},
}

// otherKind is every other write error.
var otherKind = diskKind{advice: "check the disk, then start this node again"}

// shutKind is that of a store which the server has shut down by itself.
var shutKind = diskKind{passes: true, advice: "it is opened again"}

func (e *DiskError) kind() diskKind {
	if errors.Is(e.Cause, errShutDown) {
		return shutKind
	}
	if _, short := errors.AsType[*shortError](e.Cause); short {
		return diskKinds[0]
	}
	for _, k := range diskKinds {
		if isErrno(e.Cause, k.errno) {
			return k
		}
	}
	return otherKind
}

// isErrno reports whether an error is of a number of the system. Where the server
// has kept only the words of one, they tell.
func isErrno(err error, errno syscall.Errno) bool {
	if err == nil {
		return false
	}
	if as, ok := errors.AsType[syscall.Errno](err); ok {
		return as == errno
	}
	if as, ok := errors.AsType[*fs.PathError](err); ok {
		return strings.Contains(as.Err.Error(), errno.Error()) // its path may hold any words
	}
	return strings.Contains(err.Error(), errno.Error())
}

// needSpace is how much space a store needs to start, or to go on after the disk
// was full: enough for some minutes, in which an operator can free more.
const needSpace = 32 << 20

// shortError reports less free space than [needSpace].
type shortError struct{ free int64 }

// Error implements error.
func (e *shortError) Error() string {
	return fmt.Sprintf("it needs %d MiB of free space, and its disk has %.1f MiB", needSpace>>20, float64(e.free)/(1<<20))
}
