// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nobody is a user that no test runs as.
const nobody = 65534

// TestUnsafeData: a data directory in which somebody else could have put
// something, or could change something, is refused before anything is written.
func TestUnsafeData(t *testing.T) {
	for _, tc := range []struct {
		name    string
		spoil   func(dir string) error
		asRoot  bool // it takes root to spoil it so
		refused string
	}{
		{"whole", func(string) error { return nil }, false, ""},
		{"open", func(dir string) error { return os.Chmod(dir, 0o777) }, false, "can be written by every user"},
		{"foreign", func(dir string) error { return os.Chown(dir, nobody, nobody) }, true, "belongs to user"},
		{"lock leads elsewhere", func(dir string) error { return os.Symlink("made", filepath.Join(dir, "lock")) }, false, "lock is a symbolic link"},
		{"lock is open", func(dir string) error {
			if err := os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600); err != nil {
				return err
			}
			return os.Chmod(filepath.Join(dir, "lock"), 0o666)
		}, false, "lock can be read or written by others"},
		{"key leads elsewhere", func(dir string) error {
			if err := os.WriteFile(filepath.Join(dir, "other"), make([]byte, 32), 0o600); err != nil {
				return err
			}
			return os.Symlink("other", filepath.Join(dir, "key"))
		}, false, "key is a symbolic link"},
		{"key is foreign", func(dir string) error {
			path := filepath.Join(dir, "key")
			if err := os.WriteFile(path, make([]byte, 32), 0o600); err != nil {
				return err
			}
			return os.Chown(path, nobody, nobody)
		}, true, "key belongs to user"},
		{"store is open", func(dir string) error {
			if err := os.Mkdir(filepath.Join(dir, "store"), 0o700); err != nil {
				return err
			}
			return os.Chmod(filepath.Join(dir, "store"), 0o777)
		}, false, "store can be written by every user"},
		{"processes lead elsewhere", func(dir string) error { return os.Symlink("/nowhere", filepath.Join(dir, "processes")) }, false, "processes"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			if tc.asRoot && os.Geteuid() != 0 {
				return // package ownership holds the rule in a table
			}
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := tc.spoil(dir); err != nil {
				t.Fatal(err)
			}
			before := names(t, dir)
			d, err := openData(dir)
			if err == nil {
				defer d.close()
			}
			switch {
			case tc.refused == "" && err != nil:
				t.Error(err)
			case tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused)):
				t.Errorf("got %v, want %q", err, tc.refused)
			case tc.refused != "" && len(names(t, dir)) > len(before)+1: // a lock of our own
				t.Errorf("written to: %q", names(t, dir))
			}
		})
	}
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}
