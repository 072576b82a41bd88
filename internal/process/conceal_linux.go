// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// conceal uses what PR_SET_DUMPABLE(2const) and ptrace(2) say of access modes: /proc/<pid> becomes root's, and PTRACE_ATTACH
// needs CAP_SYS_PTRACE. An exec sets it back, so each program does it for itself.
func conceal() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("close this process to others of its user: %w", err)
	}
	return nil
}
