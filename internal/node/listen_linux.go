// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// backlogLimit bounds the wait for connections that nobody has accepted yet.
	backlogLimit = time.Second
	// backlogWait is the time between two looks at them.
	backlogWait = time.Millisecond
)

// settle has the kernel take no new connections for l and waits until those it has
// taken are accepted. Closing a listener resets them, though their clients may
// have sent requests, which a load balancer must not send again. Who tries to
// connect meanwhile is not answered, and refused once the listener is closed: that
// can be tried elsewhere.
func settle(l net.Listener) error {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	if err := withFD(raw, dropAll); err != nil {
		return fmt.Errorf("take no new connections: %w", err)
	}
	for began := time.Now(); time.Since(began) < backlogLimit; <-time.After(backlogWait) {
		waiting := uint32(0)
		if err := withFD(raw, func(fd int) error {
			info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
			if err == nil {
				waiting = info.Unacked // of a listener: connections not accepted
			}
			return err
		}); err != nil {
			return fmt.Errorf("look for connections not accepted: %w", err)
		}
		if waiting == 0 {
			break
		}
	}
	return nil
}

// dropAll has the kernel drop what comes to a socket. Connections that a listener
// has taken before are sockets of their own, without the filter.
func dropAll(fd int) error {
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K} // of no bytes
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
}

func withFD(raw syscall.RawConn, do func(fd int) error) error {
	var failure error
	if err := raw.Control(func(fd uintptr) { failure = do(int(fd)) }); err != nil { // a descriptor
		return err
	}
	return failure
}
