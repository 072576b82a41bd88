// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProtectable(t *testing.T) {
	isWritable := func(dir string) bool { return strings.HasPrefix(dir, "/home/user") || dir == "/tmp" }
	for _, tc := range []struct {
		path          string
		uid, landlock int
		refused       string
	}{
		{"/var/lib/holdfast", 1000, 7, ""},
		{"/data", 1000, 2, ""},
		{"/run/secrets/holdfast", 1000, 7, ""},
		{"/data", 0, 7, ""},
		{"/var/lib/holdfast", 0, 7, "run as root, may write to /var/lib"},
		{"/data", 0, 1, "no Landlock of Linux 5.19"},
		{"/data", 1000, 1, "no Landlock of Linux 5.19"},
		{"/data", 1000, 0, "no Landlock"},
		{"/home/user/.local/state/holdfast", 1000, 7, "may write to /home/user"},
		{"/tmp/data", 1000, 7, "may write to /tmp"},
		{"/etc/holdfast/secret", 1000, 7, "files of /etc are replaced"},
	} {
		err := protectable(tc.path, tc.uid, tc.landlock, isWritable)
		if tc.refused == "" && err != nil || tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused)) {
			t.Errorf("%s for %d with Landlock %d: %v, want %q", tc.path, tc.uid, tc.landlock, err, tc.refused)
		}
	}
}

func TestInside(t *testing.T) {
	for text, want := range map[string]bool{
		"/data": true, "/data/x": true, "HOME=/data": true, "PATH=/bin:/data/bin:/usr/bin": true, "--dir=/data": true, "a '/data' b": true,
		"/database": false, "/x/data": false, "data": false, "": false, "/datax:/data": true,
	} {
		if got := inside(text, "/data"); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// openTree makes a directory that every user may enter, with what is private in it and what is not.
func openTree(t *testing.T) (base string) {
	t.Helper()
	base, err := os.MkdirTemp("", "private-*") //nolint:usetesting // t.TempDir is shut to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	for _, dir := range []string{"state/data/store", "state/other", "open"} {
		if err := os.MkdirAll(filepath.Join(base, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"state/data/key", "state/data/store/log", "state/other/file", "state/plain", "open/file"} {
		if err := os.WriteFile(filepath.Join(base, file), []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("open", filepath.Join(base, "link")); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		return base
	}
	err = filepath.WalkDir(base, func(path string, _ os.DirEntry, err error) error {
		if err == nil {
			err = os.Lchown(path, nobody, nobody)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return base
}

func TestAllowed(t *testing.T) {
	base := openTree(t)
	list, err := allowed([]string{filepath.Join(base, "state/data"), filepath.Join(base, "state/plain")})
	if err != nil {
		t.Fatal(err)
	}
	var below []string
	for _, path := range list {
		if rel, ok := strings.CutPrefix(path, base); ok {
			below = append(below, rel)
		}
	}
	if diff := cmp.Diff([]string{"/open", "/state/other"}, below); diff != "" {
		t.Error(diff)
	}
	before := digest(list)
	if before != digest(list) {
		t.Error("the digest changes by itself")
	}
	if err := os.Rename(filepath.Join(base, "open"), filepath.Join(base, "gone")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(base, "open"), 0o700); err != nil {
		t.Fatal(err)
	}
	if before == digest(list) {
		t.Error("another directory has the same digest")
	}
}

// secluder plays a Holdfast with a private directory and prints what a server of the same user can do with it, and with the rest.
func secluder() int {
	base := os.Getenv(targetsEnv)
	k := NewKeeper(nil)
	k.privacy.once.Do(func() { k.privacy.paths = []string{base + "/state/data"} }) // as if nobody could write above
	script := `exec 2>/dev/null; cd $(cat base)
		cat state/data/key || echo no read
		echo x >> state/data/key || echo no write
		rm -f state/data/key || echo no removal
		mv state/data/store state/other/store || echo no rename
		mv state/data moved || echo no rename of all
		ln state/data/key state/other/link || echo no link
		echo > state/data/new || echo no file
		cat state/other/file state/plain open/file link/file && echo
		touch open/new && mv open/new state/other/new && cat state/other/new && rm state/other/new && mkdir open/dir && echo free
		ls -d state state/other >/dev/null && echo listed
		cat /proc/self/status > /dev/null && echo > /dev/null && echo proc
		sh -c 'cat state/data/key' || echo nor below`
	run := func(change func(*Spec)) {
		spec := shell(os.Getenv(tagEnv), script)
		spec.Dir = base + "/open"
		spec.Env = append(spec.Env, "LANG=C")
		change(&spec)
		p, err := k.Start(context.Background(), spec)
		if err != nil {
			panic(err)
		}
		_, _ = io.Copy(os.Stdout, p.Stdout())
		<-p.Done()
	}
	if err := os.WriteFile(base+"/open/base", []byte(base), 0o600); err != nil {
		panic(err)
	}
	run(func(*Spec) {})
	fmt.Println("--")
	run(func(s *Spec) {
		s.Args = []string{"-c", "cat ../state/data/key"}
		s.Env = append(s.Env, "HOME="+base+"/state/data")
	})
	fmt.Println("--")
	run(func(s *Spec) { s.Args = []string{"-c", "cat ../state/data/key"}; s.NewPrivileges = true })
	if err := k.Close(); err != nil {
		panic(err)
	}
	return 0
}

// A server of the same user is kept from the private directory, and from nothing else, unless it uses it or may gain privileges.
func TestKeptFromPrivateFiles(t *testing.T) {
	if landlockVersion() < landlockNeeded {
		return // TestProtectable holds that nothing is promised then
	}
	const want = `no read
no write
no removal
no rename
no rename of all
no link
no file
texttexttexttext
free
listed
proc
nor below
--
text--
text`
	if diff := cmp.Diff(want, runHelper(t, "secluder", targetsEnv+"="+openTree(t))); diff != "" {
		t.Error(diff)
	}
}
