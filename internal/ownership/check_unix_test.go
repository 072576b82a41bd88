// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package ownership

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const (
	setgid = os.ModeSetgid | os.ModeDir
	dir    = os.ModeDir
)

// TestDirectory holds which owners and modes pass for whom.
func TestDirectory(t *testing.T) {
	root := identity{uid: 0, gid: 0}
	alice := identity{uid: 41000, gid: 41000, groups: []int{27, 2000}}
	users := identity{uid: 100, gid: 65534, groups: []int{100}}
	for _, tc := range []struct {
		what string
		me   identity
		entry
		refused string
	}{
		{"own", alice, entry{41000, 41000, dir | 0o700}, ""},
		{"readable", alice, entry{41000, 41000, dir | 0o755}, ""},
		{"group of its own, as umask 002 makes it", alice, entry{41000, 41000, dir | 0o775}, ""},
		{"group with others in it", alice, entry{41000, 27, dir | 0o775}, "by its group (mode 0775); run chmod g-w"},
		{"group of the same number that is not one's own", users, entry{100, 100, dir | 0o770}, "by its group"},
		{"volume of a pod with fsGroup", alice, entry{0, 2000, setgid | 0o775}, ""},
		{"volume of a pod with another fsGroup", alice, entry{0, 2001, setgid | 0o775}, "by its group"},
		{"emptyDir", alice, entry{0, 2000, setgid | 0o777}, "by every user (mode 0777)"},
		{"directory in an emptyDir", alice, entry{41000, 2000, setgid | 0o770}, ""},
		{"image whose files root's group owns", alice, entry{0, 0, dir | 0o775}, ""},
		{"tmp", alice, entry{0, 0, dir | os.ModeSticky | 0o777}, "use a directory in it"},
		{"own and open", alice, entry{41000, 41000, dir | 0o707}, "by every user"},
		{"foreign", alice, entry{41001, 41001, dir | 0o777}, "belongs to user 41001"},
		{"foreign, for root", root, entry{41000, 41000, dir | 0o700}, "belongs to user 41000"},
		{"root's", root, entry{0, 0, dir | 0o755}, ""},
		{"owner untold", root, entry{-1, -1, dir | 0o755}, "does not tell whose"},
	} {
		check(t, tc.what, tc.me.directory(tc.entry), tc.refused)
	}
}

func check(t *testing.T, what string, err error, refused string) {
	t.Helper()
	switch {
	case refused == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case refused != "" && (err == nil || !strings.Contains(err.Error(), refused)):
		t.Errorf("%s: %v, want %q", what, err, refused)
	}
}

func TestFile(t *testing.T) {
	alice := identity{uid: 41000, gid: 41000, groups: []int{2000}}
	for _, tc := range []struct {
		what string
		entry
		refused string
	}{
		{"own", entry{41000, 41000, 0o600}, ""},
		{"root's", entry{0, 0, 0o400}, ""},
		{"foreign", entry{41001, 41000, 0o600}, "belongs to user 41001"},
		{"readable by the group", entry{41000, 41000, 0o640}, "mode 0640"},
		{"readable by all", entry{41000, 41000, 0o604}, "chmod 600"},
		{"pipe", entry{41000, 41000, os.ModeNamedPipe | 0o600}, "is a pipe"},
		{"device", entry{41000, 41000, os.ModeDevice | os.ModeCharDevice | 0o600}, "is a device"},
	} {
		check(t, tc.what, alice.file(tc.entry), tc.refused)
	}
	volume := entry{0, 2000, setgid | 0o775}
	for _, tc := range []struct {
		file, dir entry
		want      bool
	}{
		{entry{41000, 2000, 0o660}, volume, true},
		{entry{41000, 2000, 0o664}, volume, false},
		{entry{41001, 2000, 0o660}, volume, false},
		{entry{41000, 41000, 0o660}, volume, false},
		{entry{41000, 2000, 0o660}, entry{41000, 2000, dir | 0o700}, false},
	} {
		if got := alice.opened(tc.file, tc.dir); got != tc.want {
			t.Errorf("opened(%+v, %+v) = %t", tc.file, tc.dir, got)
		}
	}
}

func TestSecret(t *testing.T) {
	alice := identity{uid: 41000, gid: 41000, groups: []int{2000}}
	for _, tc := range []struct {
		what string
		entry
		refused string
	}{
		{"own", entry{41000, 41000, 0o400}, ""},
		{"mounted by an orchestrator", entry{0, 2000, 0o444}, ""},
		{"own pipe", entry{41000, 41000, os.ModeNamedPipe | 0o600}, ""},
		{"foreign", entry{41001, 41000, 0o600}, "belongs to"},
		{"writable by all", entry{41000, 41000, 0o606}, "chmod go-w"},
		{"writable by a group", entry{0, 2000, 0o460}, "chmod go-w"},
	} {
		check(t, tc.what, alice.secret(tc.entry), tc.refused)
	}
}

// TestCheckDirectory looks at real ones; as root also at those of others.
func TestCheckDirectory(t *testing.T) {
	base := t.TempDir()
	at := func(name string) string { return filepath.Join(base, name) }
	for name, mode := range map[string]os.FileMode{"own": 0o700, "open": 0o777} {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(at(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"link": "own", "loose": "open", "dangling": "nothing"} {
		if err := os.Symlink(to, at(name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, at("file"), 0o600)
	for name, refused := range map[string]string{
		"own": "", "link": "", "open": "by every user", "loose": "by every user", "dangling": "no such file", "file": "is not a directory", "none": "no such file",
	} {
		check(t, name, CheckDirectory(at(name)), refused)
	}
	if os.Geteuid() != 0 {
		return // the table above holds the rest
	}
	if err := os.Lchown(at("link"), 65534, 65534); err != nil {
		t.Fatal(err)
	}
	check(t, "a stranger's link", CheckDirectory(at("link")), "is a symbolic link that user")
	if err := os.Chown(at("own"), 65534, 65534); err != nil {
		t.Fatal(err)
	}
	check(t, "a stranger's directory", CheckDirectory(at("own")), "belongs to user")
}

func write(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestOpenFile(t *testing.T) {
	base := t.TempDir()
	at := func(name string) string { return filepath.Join(base, name) }
	write(t, at("own"), 0o600)
	write(t, at("open"), 0o644)
	if err := os.Symlink("own", at("link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, refused := range map[string]string{
		"own": "", "new": "", "open": "chmod 600", "link": "is a symbolic link", "pipe": "is a pipe", ".": "is a directory",
	} {
		f, err := OpenFile(at(name), os.O_RDWR|os.O_CREATE)
		check(t, name, err, refused)
		if err == nil {
			f.Close()
		}
	}
	if info, err := os.Stat(at("new")); err != nil || info.Mode() != 0o600 {
		t.Errorf("new: %v, %v", info, err)
	}
}

// TestOpenFileInVolume: what a kubelet has opened to the pod's group is closed again.
func TestOpenFileInVolume(t *testing.T) {
	base := t.TempDir()
	if err := os.Chmod(base, setgid|0o770); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(base, "key")
	write(t, path, 0o660)
	f, err := OpenFile(path, os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestReadSecret(t *testing.T) {
	base := t.TempDir()
	at := func(name string) string { return filepath.Join(base, name) }
	write(t, at("own"), 0o400)
	write(t, at("mounted"), 0o444)
	write(t, at("loose"), 0o622)
	if err := os.Symlink("mounted", at("link")); err != nil { // as Kubernetes has them
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		exposed bool
		refused string
	}{"own": {}, "mounted": {true, ""}, "link": {true, ""}, "loose": {false, "chmod go-w"}, ".": {false, "is a directory"}, "none": {false, "no such file"}} {
		data, exposed, err := ReadSecret(at(name), 4)
		check(t, name, err, tc.refused)
		if err == nil && (exposed != tc.exposed || string(data) != "text") {
			t.Errorf("%s: %q, exposed %t", name, data, exposed)
		}
	}
	if _, _, err := ReadSecret(at("own"), 3); err == nil || !strings.Contains(err.Error(), "over 3 bytes") {
		t.Errorf("a long one: %v", err)
	}
}
