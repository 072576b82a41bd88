// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package client

import "os/exec"

// ownGroup does nothing: there are no process groups.
func ownGroup(*exec.Cmd) {}

// endGroup does nothing: there is no TERM.
func endGroup(*exec.Cmd) {}

// killGroup ends the process. One that has exited is no error.
func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
