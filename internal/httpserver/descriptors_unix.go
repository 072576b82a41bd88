// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package httpserver

import "syscall"

// limit returns how many descriptors this process may have open. The Go runtime
// has raised the soft limit to the hard one.
func limit() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return unknownDescriptors
	}
	return int(min(uint64(l.Cur), 1<<30)) //nolint:unconvert // the field is signed on some systems
}
