// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"
)

func TestWarnIfExposed(t *testing.T) {
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 8080} }
	for _, tc := range []struct {
		addr  net.Addr
		warns bool
	}{
		{tcp("127.0.0.1"), false}, {tcp("127.74.3.2"), false}, {tcp("::1"), false}, {tcp("::ffff:127.0.0.1"), false},
		{tcp("0.0.0.0"), true}, {tcp("::"), true}, {tcp("192.168.1.5"), true}, {tcp("10.0.0.1"), true}, {tcp("fe80::1"), true}, {tcp("203.0.113.7"), true},
		{&net.TCPAddr{Port: 8080}, true}, // of ":8080"
		{&net.UnixAddr{Name: "/run/holdfast.sock", Net: "unix"}, false},
	} {
		var log bytes.Buffer
		WarnIfExposed(tc.addr, slog.New(slog.NewTextHandler(&log, nil)))
		if warned := strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), "NO AUTHENTICATION") && strings.Contains(log.String(), tc.addr.String()); warned != tc.warns {
			t.Errorf("%v: warned %t, want %t: %s", tc.addr, warned, tc.warns, log.String())
		}
	}
}
