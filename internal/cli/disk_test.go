// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestStoreGone holds that a node whose store is gone ends with the exit code that
// tells a supervisor so, and with why.
func TestStoreGone(t *testing.T) {
	dir := t.TempDir()
	s := startServing(t, "--data", dir)
	s.want = exitDisk
	store := filepath.Join(dir, "store", "alone")
	if err := os.Rename(store, filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	if errs := s.errs.String(); !strings.Contains(errs, "holdfast serve: the store in "+store+" cannot be written: no such file or directory") {
		t.Error(errs)
	}
}
