// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package process

import (
	"errors"
	"os"
	"runtime"
)

// mayBecome reports why this process cannot run servers as another user.
func mayBecome(*account) error {
	switch {
	case runtime.GOOS == "windows":
		return errors.New("servers cannot run as another user on Windows; leave out user")
	case os.Geteuid() != 0:
		return errors.New("this needs Holdfast to run as root; run it so, or leave out user")
	}
	return nil
}
