// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// account is a user that a server runs as, with all groups, and where the user is at home; empty if the system does not say.
type account struct {
	uid, gid   uint32
	groups     []uint32
	name, home string
}

// lookupAccount finds the user of a Spec: "name", "name:group" or numbers in place of either. A number that the system has no user for
// needs a group, since none can be guessed.
func lookupAccount(text string) (*account, error) {
	who, group, grouped := strings.Cut(text, ":")
	if who == "" || grouped && group == "" {
		return nil, fmt.Errorf("user %q: want a user, or user:group, by name or number", text)
	}
	u, err := user.Lookup(who)
	if _, number := parseID(who); number && err != nil {
		u, err = user.LookupId(who)
	}
	a := &account{name: who}
	switch uid, number := parseID(who); {
	case err == nil:
		if a, err = accountOf(u); err != nil {
			return nil, fmt.Errorf("user %q: %w", text, err)
		}
	case number && grouped:
		a.uid = uid
	case number:
		return nil, fmt.Errorf("user %q: this system knows no user of that number: give the group too, as in %s:%s", text, who, who)
	default:
		return nil, fmt.Errorf("user %q: this system knows no user of that name", text)
	}
	if grouped {
		if a.gid, err = lookupGroup(group); err != nil {
			return nil, fmt.Errorf("user %q: %w", text, err)
		}
	}
	return a, nil
}

func accountOf(u *user.User) (*account, error) {
	uid, ok := parseID(u.Uid)
	gid, also := parseID(u.Gid)
	if !ok || !also {
		return nil, fmt.Errorf("it has no number on this system: %q, %q", u.Uid, u.Gid)
	}
	a := &account{uid: uid, gid: gid, name: u.Username, home: u.HomeDir}
	list, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("find its groups: %w", err)
	}
	for _, g := range list {
		if id, ok := parseID(g); ok && id != gid {
			a.groups = append(a.groups, id)
		}
	}
	slices.Sort(a.groups)
	return a, nil
}

func lookupGroup(text string) (uint32, error) {
	if g, err := user.LookupGroup(text); err == nil {
		text = g.Gid
	}
	id, ok := parseID(text)
	if !ok {
		return 0, fmt.Errorf("this system knows no group %q", text)
	}
	return id, nil
}

func parseID(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n < 1<<32-1 // the last means no change to the system
}

// isSelf reports whether a server that runs as a needs no other user than this process has.
func (a *account) isSelf() bool {
	return int64(a.uid) == int64(os.Geteuid()) && int64(a.gid) == int64(os.Getegid())
}

// environ adds what tells a program who runs it, unless env says so already.
func (a *account) environ(env []string) []string {
	add := []string{"USER=" + a.name, "LOGNAME=" + a.name}
	if a.home != "" {
		add = append(add, "HOME="+a.home)
	}
	for _, kv := range add {
		key, _, _ := strings.Cut(kv, "=")
		if _, said := lookupEnv(env, key); !said {
			env = append(env, kv)
		}
	}
	return env
}
