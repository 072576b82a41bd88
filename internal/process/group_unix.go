// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package process

import (
	"os"
	"syscall"
)

func ownGroup(as *account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if as != nil && !as.isSelf() {
		attr.Credential = &syscall.Credential{Uid: as.uid, Gid: as.gid, Groups: as.groups}
	}
	return attr
}

// signalTree signals the process group.
func signalTree(p *os.Process, sig syscall.Signal) { _ = syscall.Kill(-p.Pid, sig) }

func exitError(s *os.ProcessState) error {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return &ExitError{Signal: w.Signal()}
	}
	if s.ExitCode() == 0 {
		return nil
	}
	return &ExitError{Code: s.ExitCode()}
}
