// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

// TestDiskFull: that the server cannot write for lack of space shows in readiness,
// with what to do; other errors of its do not.
func TestDiskFull(t *testing.T) {
	c := openAlone(t, t.TempDir())
	l := &serverLog{log: testLog(), full: c.diskFull}
	l.Errorf("JetStream failed to store a msg on stream '%s': %v", "x", errors.New("something else"))
	if err := c.Ready(); err != nil {
		t.Errorf("not ready after another error: %v", err)
	}
	full := &fs.PathError{Op: "write", Path: "1.blk", Err: syscall.ENOSPC}
	l.Errorf("JetStream failed to store a msg on stream '%s': %v", "x", fmt.Errorf("store: %w", full))
	err := c.Ready()
	if !errors.Is(err, ErrStorage) || !strings.Contains(err.Error(), "restart this node") {
		t.Errorf("ready with a full disk: %v", err)
	}
}
