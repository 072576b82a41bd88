// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// TestSettle holds that a connection made before a listener is closed is accepted,
// though nobody had got round to it, and one that comes after is not taken.
func TestSettle(t *testing.T) {
	l, err := Bind("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var early []net.Conn
	for range 20 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(err)
		}
		early = append(early, c)
	}
	accepted := make(chan error, 1)
	go func() { // ends when l is closed
		defer close(accepted)
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				time.Sleep(2 * time.Millisecond) // busy
				_, err = io.CopyN(c, c, 5)
			}
			if err != nil {
				accepted <- err
				return
			}
			c.Close()
		}
	}()
	if err := settle(l.Listener); err != nil {
		t.Fatal(err)
	}
	if c, err := net.DialTimeout("tcp", l.Addr().String(), 100*time.Millisecond); err == nil {
		c.Close()
		t.Error("a connection is taken after the last has been accepted")
	}
	l.Close()
	if err := <-accepted; err != nil {
		t.Error(err)
	}
	for i, c := range early {
		if got, err := io.ReadAll(c); err != nil || string(got) != "hello" {
			t.Errorf("connection %d: %q, %v", i, got, err)
		}
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}
