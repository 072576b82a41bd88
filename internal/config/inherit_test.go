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

// TestSecretIsNeverInherited: no allow-list passes the cluster's secret, and only
// one that says so passes another variable of Holdfast's own.
func TestSecretIsNeverInherited(t *testing.T) {
	all := []string{"HOLDFAST_CLUSTER_SECRET=s", "HOLDFAST_CLUSTER_SECRET_FILE=/f", "HOLDFAST_KEEPER=k", "HOLDFASTS=fine"}
	for _, test := range []struct {
		inherit, want []string
	}{
		{[]string{"*"}, []string{"HOLDFASTS=fine"}},
		{[]string{"H*"}, []string{"HOLDFASTS=fine"}},
		{[]string{"HOLDFAST*"}, []string{"HOLDFASTS=fine"}},
		{[]string{"HOLDFAST_*"}, []string{"HOLDFAST_KEEPER=k"}},
		{[]string{"HOLDFAST_KEEPER", "HOLDFAST_CLUSTER_SECRET", "HOLDFAST_CLUSTER_SECRET_FILE"}, []string{"HOLDFAST_KEEPER=k"}},
	} {
		for _, fold := range []bool{false, true} {
			if diff := cmp.Diff(test.want, (Process{Inherit: test.inherit}).environ(all, fold)); diff != "" {
				t.Errorf("inheritEnv %q: -want +got:\n%s", test.inherit, diff)
			}
		}
	}
	folded := []string{"holdfast_cluster_secret=s"}
	if got := (Process{Inherit: []string{"*", "holdfast_*"}}).environ(folded, true); len(got) > 0 {
		t.Errorf("on Windows: %q", got)
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
