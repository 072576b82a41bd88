// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// peerOf asks the kernel; see SO_PEERCRED and SO_PEERPIDFD in unix(7).
func peerOf(c net.Conn) (*peer, error) {
	p := &peer{gone: func() bool { return false }, close: func() {}}
	err := withSocket(c, func(fd int) error {
		cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			return err
		}
		p.uid, p.pid = int(cred.Uid), int(cred.Pid)
		pidfd, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
		switch {
		case err == nil:
			p.gone = func() bool { return unix.PidfdSendSignal(pidfd, 0, nil, 0) == unix.ESRCH }
			p.close = func() { _ = unix.Close(pidfd) }
		case errors.Is(err, unix.ESRCH), errors.Is(err, unix.ENODATA):
			p.gone = func() bool { return true }
		} // kernels before 6.5 do not know it: a pid that was used again meanwhile is not noticed
		return nil
	})
	return p, err
}
