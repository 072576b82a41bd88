// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package process

import (
	"os"
	"syscall"
)

func ownGroup(*account) *syscall.SysProcAttr { return nil }

// signalTree ends the process: there is nothing gentler here, and no group.
func signalTree(p *os.Process, _ syscall.Signal) { _ = p.Kill() }

func exitError(s *os.ProcessState) error {
	if s.ExitCode() == 0 {
		return nil
	}
	return &ExitError{Code: s.ExitCode()}
}
