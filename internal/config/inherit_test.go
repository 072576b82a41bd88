// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnviron(t *testing.T) {
	all := []string{
		"PATH=/bin", "Path=x", "HOME=/home/user", "LC_ALL=C", "LC_=", "LC=no", "XDG_RUNTIME_DIR=/run",
		"https_proxy=http://p", "AWS_SECRET_ACCESS_KEY=k", "GITHUB_TOKEN=t", "EMPTY=", "PATHEXT=.exe",
		`=C:=C:\`, "novalue", "PATH=/again=1",
	}
	for _, test := range []struct {
		name    string
		inherit []string
		fold    bool
		want    []string
	}{
		{"default", nil, false, []string{"PATH=/bin", "HOME=/home/user", "LC_ALL=C", "LC_=", "XDG_RUNTIME_DIR=/run",
			"https_proxy=http://p", "PATHEXT=.exe", "PATH=/again=1"}},
		{"default on Windows", nil, true, []string{"PATH=/bin", "Path=x", "HOME=/home/user", "LC_ALL=C", "LC_=", "XDG_RUNTIME_DIR=/run",
			"https_proxy=http://p", "PATHEXT=.exe", "PATH=/again=1"}},
		{"none", []string{}, false, []string{}},
		{"names", []string{"EMPTY", "MISSING", "path"}, false, []string{"EMPTY="}},
		{"prefix", []string{"AWS_*"}, false, []string{"AWS_SECRET_ACCESS_KEY=k"}},
		{"prefix on Windows", []string{"aws_*", "github_token"}, true, []string{"AWS_SECRET_ACCESS_KEY=k", "GITHUB_TOKEN=t"}},
		{"all", []string{"*"}, false, append(append([]string{}, all[:13]...), all[14])},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Process{Inherit: test.inherit}.environ(all, test.fold)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if got := (Process{}).Environ(nil); got == nil {
		t.Error("nil means everything to exec.Cmd")
	}
}

// TestDefaultInherit keeps credentials and loader variables off the list.
func TestDefaultInherit(t *testing.T) {
	secret := []string{"TOKEN=x", "API_KEY=x", "AWS_PROFILE=x", "SSH_AUTH_SOCK=x", "LD_PRELOAD=x", "NODE_OPTIONS=x",
		"DYLD_INSERT_LIBRARIES=x", "HOLDFAST_KEY=x", "SSL_CERT_FILES=x", "Path_=x"}
	if got := (Process{}).environ(secret, true); len(got) > 0 {
		t.Errorf("%q are passed on", got)
	}
}
