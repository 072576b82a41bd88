// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLookupAccount(t *testing.T) {
	root := &account{name: "root", home: "/root"}
	for _, tc := range []struct {
		text    string
		want    *account
		refused string
	}{
		{"root", root, ""},
		{"0", root, ""},
		{"root:root", root, ""},
		{"root:12", &account{gid: 12, name: "root", home: "/root"}, ""},
		{"3999999999:12", &account{uid: 3999999999, gid: 12, name: "3999999999"}, ""},
		{"3999999999", nil, "give the group too, as in 3999999999:3999999999"},
		{"no-such-user", nil, `user "no-such-user": this system knows no user of that name`},
		{"no-such-user:12", nil, "no user of that name"},
		{"root:no-such-group", nil, `no group "no-such-group"`},
		{"4294967295:12", nil, "no user of that name"},
		{"root:", nil, "want a user, or user:group"},
		{":root", nil, "want a user, or user:group"},
		{"", nil, "want a user, or user:group"},
	} {
		got, err := lookupAccount(tc.text)
		if got != nil {
			got.groups = nil // the system's
		}
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(account{})); diff != "" {
			t.Errorf("%q: %s", tc.text, diff)
		}
		if tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused)) {
			t.Errorf("%q: %v, want %q", tc.text, err, tc.refused)
		}
	}
}

// becomer plays a Holdfast without privileges and prints why it cannot run a server as another user.
func becomer() int {
	k := NewKeeper(nil)
	defer k.Close()
	spec := self(os.Getenv(tagEnv), "echo")
	spec.User = "root"
	_, err := k.Start(context.Background(), spec)
	fmt.Println(err)
	spec.User = fmt.Sprintf("%d:%d", os.Geteuid(), os.Getegid()) // itself takes no privileges
	p, err := k.Start(context.Background(), spec)
	if err != nil {
		fmt.Println(err)
		return 0
	}
	_ = p.Stop(context.Background())
	_ = p.Stdout().Close()
	return 0
}

func TestAnotherUserTakesPrivileges(t *testing.T) {
	const want = "start server \"echo\": user \"root\": this needs Holdfast to run as root or with CAP_KILL, CAP_SETGID, CAP_SETUID; run it so, or leave out user\n"
	if diff := cmp.Diff(want, runHelper(t, "becomer")); diff != "" {
		t.Error(diff)
	}
}

// A server that runs as another user has that user's groups and environment, its pipes, and no way to what is Holdfast's.
func TestAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // TestAnotherUserTakesPrivileges says what happens
	}
	k := newTestKeeper(t)
	secret := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	tag := newTag(t)
	spec := shell(tag, `id -u; id -g; id -G; echo "$HOME $USER $LOGNAME $MINE"; echo lost > /dev/stderr && echo found; cat `+secret+` || echo refused
		setsid sleep 1000 & cat`)
	spec.User, spec.Dir = "nobody", "/"
	spec.Env = append(spec.Env, "MINE=yes", "LOGNAME=said")
	p := start(t, k, spec)
	a, err := lookupAccount("nobody")
	if err != nil {
		t.Fatal(err)
	}
	groups := strings.Trim(fmt.Sprint(append([]uint32{a.gid}, a.groups...)), "[]")
	expect(t, p, fmt.Sprintf("%d\n%d\n%s\n%s nobody said yes\nfound\nrefused\n", a.uid, a.gid, groups, a.home))
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if left := tagged(tag); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if tail := p.StderrTail(); !slices.Contains(tail, "lost") {
		t.Errorf("stderr: %q", tail)
	}
}

// What another user may not reach is said with the user's name.
func TestAnotherUserWithoutAccess(t *testing.T) {
	if os.Geteuid() != 0 {
		return // TestAnotherUserTakesPrivileges says what happens
	}
	k := newTestKeeper(t)
	private := t.TempDir()
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := k.Start(t.Context(), Spec{Name: "mine", Command: "true", Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: private, User: "nobody"})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "user nobody may not") || !strings.Contains(err.Error(), private) {
		t.Errorf("Start: %v", err)
	}
}
