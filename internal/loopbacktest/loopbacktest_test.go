// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package loopbacktest

import (
	"net"
	"testing"
)

// TestFreeIsGivenOnce holds that no address is given twice, though nobody has begun
// to listen on the first ones.
func TestFreeIsGivenOnce(t *testing.T) {
	for name, free := range map[string]func() (string, error){"own": Free, "local": FreeLocal} {
		given := make(map[string]bool)
		for range 500 {
			address, err := free()
			if err != nil {
				t.Fatal(err)
			}
			if given[address] {
				t.Fatalf("%s: %s was given twice", name, address)
			}
			given[address] = true
		}
		for address := range given {
			l, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
		}
	}
}

func TestOwnOfProcesses(t *testing.T) {
	hosts := make(map[string]int)
	for pid := range 1 << 18 {
		host := own(pid)
		if other, ok := hosts[host.String()]; ok || !host.IsLoopback() {
			t.Fatalf("process %d has the host %v, which %d has", pid, host, other)
		}
		hosts[host.String()] = pid
	}
}
