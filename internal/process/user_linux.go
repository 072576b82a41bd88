// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// needed are the capabilities without which servers cannot be run, and ended, as another user.
var needed = []struct {
	bit  uint
	name string
}{{unix.CAP_KILL, "CAP_KILL"}, {unix.CAP_SETGID, "CAP_SETGID"}, {unix.CAP_SETUID, "CAP_SETUID"}}

// mayBecome reports why this process cannot run servers as another user; the keeper has the same capabilities.
func mayBecome(*account) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("look for capabilities: %w", err)
	}
	var lacking []string
	for _, c := range needed {
		if data[0].Effective&(1<<c.bit) == 0 {
			lacking = append(lacking, c.name)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	return errors.New("this needs Holdfast to run as root or with " + strings.Join(lacking, ", ") + "; run it so, or leave out user")
}
