// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import "syscall"

// setLimit sets a limit of this process.
func setLimit(name string, value uint64) error {
	resource := map[string]int{"descriptors": syscall.RLIMIT_NOFILE, "filesize": syscall.RLIMIT_FSIZE}[name]
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(resource, &limit); err != nil {
		return err
	}
	limit.Cur = min(value, limit.Max)
	return syscall.Setrlimit(resource, &limit)
}
