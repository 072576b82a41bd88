// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "syscall"

// ownGroup keeps a terminal's Ctrl-C from the server, which is stopped in
// order instead, and lets the kernel kill it should the benchmark itself be
// killed. The kernel watches the thread that started the server, so servers
// are started from the main thread only.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
