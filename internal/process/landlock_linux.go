// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// landlockNeeded is the version of Landlock that lets files be renamed from one directory to another: with the first one no process
// that is held could, whatever its rules.
const landlockNeeded = 2

// Rights that are denied unless a rule gives them: all that reads, changes, runs or replaces a file. Listing is not among them: a rule
// holds for all below its directory, and directories above a private one must stay to be listed. Metadata can be changed whatever the
// rules. See landlock(7).
const (
	fileRights = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE
	dirRights  = fileRights | unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK | unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	// truncating is a right since the third version; before, nobody is kept from it.
	truncating        = unix.LANDLOCK_ACCESS_FS_TRUNCATE
	truncatingVersion = 3
)

// landlockVersion returns the kernel's, 0 if it has none.
func landlockVersion() int {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// levels are the directories above a path, which is absolute and clean.
func levels(path string) (list []string) {
	for path != "/" {
		path = filepath.Dir(path)
		list = append(list, path)
	}
	return list
}

// allowed are the entries, by path, that rules must name so that a process can reach everything but the private paths: all that is beside
// them and beside the directories above them. Landlock knows no rule that denies.
func allowed(private []string) (list []string, err error) {
	var above []string
	for _, path := range private {
		above = append(above, levels(path)...)
	}
	slices.Sort(above)
	above = slices.Compact(above)
	for _, dir := range above {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("read directory above a private file: %w", err)
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			_, isAbove := slices.BinarySearch(above, path)
			if !isAbove && !slices.Contains(private, path) && e.Type() != os.ModeSymlink {
				list = append(list, path)
			}
		}
	}
	return list, nil
}

// digest names what rules for these entries give. It changes when an entry is replaced, by a mount too.
func digest(entries []string) string {
	h := sha256.New()
	for _, path := range entries {
		var s unix.Stat_t
		if unix.Lstat(path, &s) == nil {
			fmt.Fprintf(h, "%s %d %d\n", path, s.Dev, s.Ino)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// holdTo takes from the calling thread, and all that it will fork, what is in none of the entries. The thread must have given up new
// privileges.
func holdTo(entries []string) error {
	more := uint64(0)
	if landlockVersion() >= truncatingVersion {
		more = truncating
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: dirRights | more}
	const known = unsafe.Sizeof(attr.Handled_access_fs) // so much of it every version knows
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), known, 0)
	if errno != 0 {
		return fmt.Errorf("make Landlock rules: %w", errno)
	}
	defer unix.Close(int(fd))
	for _, path := range entries {
		if err := allow(int(fd), path, more); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("allow %s by Landlock: %w", path, err)
		}
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return fmt.Errorf("put Landlock rules into effect: %w", errno)
	}
	return nil
}

// allow adds the rule for one entry.
func allow(ruleset int, path string, more uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		return err
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: fileRights | more, Parent_fd: int32(fd)}
	if s.Mode&unix.S_IFMT == unix.S_IFDIR {
		rule.Allowed_access = dirRights | more
	}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// inside tells whether a text names a path or something in it, alone or among others as PATH does.
func inside(text, path string) bool {
	const around = ":,;=\"' "
	for at := 0; ; {
		i := strings.Index(text[at:], path)
		if i < 0 {
			return false
		}
		begin, end := at+i, at+i+len(path)
		begins := begin == 0 || strings.ContainsRune(around, rune(text[begin-1]))
		ends := end == len(text) || strings.ContainsRune(around+"/", rune(text[end]))
		if begins && ends {
			return true
		}
		at = end
	}
}
