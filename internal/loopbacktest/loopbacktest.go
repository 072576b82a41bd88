// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package loopbacktest finds addresses of this machine that are free and stay so,
// for tests and benchmarks that tell a program where to listen.
package loopbacktest

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
)

// given counts the ports that this process has given away.
var given atomic.Uint32

// Free returns an address that nobody listens on. Nobody else comes to do so before
// the caller does: the host is one of 127.0.0.0/8 that is this process's own.
// Where a system has no other host than 127.0.0.1, it is of that.
func Free() (string, error) {
	if address, err := free(own(os.Getpid())); err == nil {
		return address, nil
	}
	return FreeLocal()
}

// FreeLocal returns an address of 127.0.0.1 that nobody listens on, for programs
// that take no other host for this machine. Its port is none that the system gives
// to what connects, and processes look for theirs at different places.
func FreeLocal() (string, error) { return free(netip.AddrFrom4([4]byte{127, 0, 0, 1})) }

// free looks for a port that this process has not given away.
func free(host netip.Addr) (string, error) {
	const first, ports, perProcess = 10000, 20000, 64
	var err error
	for range ports {
		n := (uint32(os.Getpid())*perProcess + given.Add(1)) % ports
		address := netip.AddrPortFrom(host, uint16(first+n)).String()
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", fmt.Errorf("find a free port of %s: %w", host, err)
}

// own is the host of a process, whose number has at most 22 bits.
func own(pid int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 64 | byte(pid>>16&0x3f), byte(pid >> 8), byte(pid)})
}
