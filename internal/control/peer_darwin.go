// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerOf asks the kernel; see LOCAL_PEERCRED and LOCAL_PEERPID in unix(4).
func peerOf(c net.Conn) (*peer, error) {
	p := &peer{gone: func() bool { return false }, close: func() {}}
	err := withSocket(c, func(fd int) error {
		cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
		if err != nil {
			return err
		}
		p.uid = int(cred.Uid)
		p.pid, err = unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID)
		return err
	})
	return p, err
}
