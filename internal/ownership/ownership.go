// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package ownership refuses files and directories that somebody else could have
// put there or could change, as sshd does with StrictModes and PostgreSQL with
// its data directory. It holds nothing and has no goroutine.
//
// What is trusted is this process's user and root, and no one else:
//
//   - A directory belongs to one of them and is not writable for everybody, not
//     even with the sticky bit. Its group may write only if it is root's, or the
//     user's own (the group has the user's number), or if the directory has the
//     setgid bit and this process is in the group, which is how Kubernetes
//     prepares a volume for a pod with fsGroup.
//   - A file that Holdfast makes belongs to one of them, is a regular file and no
//     symbolic link, and nobody else may read or write it.
//   - A file that others make for Holdfast, such as a mounted secret, may be a
//     symbolic link, and what it leads to may be readable for others.
//   - A symbolic link to a directory was made by one of them.
//
// Directories above are not looked at: whoever may change those can put another
// directory there, but not one that passes. Systems without Unix owners and
// modes have nothing checked. Errors read on from the file's name: "belongs to
// …".
package ownership

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// CheckDirectory refuses the directory at path unless it is safe to keep secrets in.
func CheckDirectory(path string) error {
	link, err := os.Lstat(path)
	if err != nil {
		return failed("found", err)
	}
	if link.Mode().Type() == os.ModeSymlink {
		if err := checkLink(link); err != nil {
			return err
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return failed("found", err)
	}
	if !info.IsDir() {
		return errors.New("is not a directory")
	}
	return checkDirectory(info)
}

// OpenFile opens the file at path, as [os.OpenFile] does with mode 0600, unless it
// is not safe to keep a secret in. Group permissions that Kubernetes adds to all
// files of a volume it prepares are taken away again.
func OpenFile(path string, flag int) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() { // before it is opened: a pipe would block
		return nil, fmt.Errorf("is %s, not a regular file", describe(info.Mode()))
	}
	f, err := os.OpenFile(path, flag|noFollow, 0o600)
	if err != nil {
		return nil, failed("opened", err)
	}
	info, err := f.Stat()
	if err == nil {
		err = checkFile(f, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ReadSecret returns the first bytes, up to the limit, of a file or pipe that was
// made for Holdfast, and whether users other than its owner may read it too.
func ReadSecret(path string, limit int64) (data []byte, exposed bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, failed("opened", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, false, failed("looked at", err)
	}
	if info.IsDir() {
		return nil, false, errors.New("is a directory")
	}
	if exposed, err = checkSecret(info); err != nil {
		return nil, false, err
	}
	data, err = io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		err = failed("read", err)
	case int64(len(data)) > limit:
		err = fmt.Errorf("is over %d bytes long", limit)
	}
	return data, exposed, err
}

// failed takes from err the path, which the caller names.
func failed(verb string, err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		err = p.Err
	}
	return fmt.Errorf("cannot be %s: %w", verb, err)
}

// describe names a kind of file.
func describe(mode os.FileMode) string {
	switch mode.Type() {
	case os.ModeSymlink:
		return "a symbolic link"
	case os.ModeDir:
		return "a directory"
	case os.ModeNamedPipe:
		return "a pipe"
	case os.ModeSocket:
		return "a socket"
	}
	return "a device"
}
