// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/config"
)

const testSecret = "a secret of these tests"

// TestSecretIsRefused: an entry that holds the cluster's secret starts nothing,
// wherever it is and however it got there.
func TestSecretIsRefused(t *testing.T) {
	held := config.Secret("x" + testSecret)
	for where, s := range map[string]config.Server{
		"command":               {Command: string(held)},
		"cwd":                   {Cwd: string(held)},
		"args[1]":               {Args: []string{"a", string(held)}},
		"env.B":                 {Env: map[string]config.Secret{"A": "1", "B": held}},
		"headers.Authorization": {Headers: map[string]config.Secret{"Authorization": held}},
		"url":                   {URL: "https://example.com/" + string(held)},
		"":                      {Command: "x", Args: []string{"a"}, Env: map[string]config.Secret{"A": "1"}},
	} {
		s.Name = "mine"
		err := checkSecret([]config.Server{{}, s}, testSecret)
		switch {
		case where == "" && err != nil:
			t.Errorf("an innocent entry: %v", err)
		case where != "" && (err == nil || !strings.Contains(err.Error(), `"mine": `+where+" holds")):
			t.Errorf("%s: %v", where, err)
		case err != nil && strings.Contains(err.Error(), testSecret):
			t.Errorf("%s: the error shows it: %v", where, err)
		}
		if s.Disabled = true; checkSecret([]config.Server{s}, testSecret) != nil || checkSecret([]config.Server{s}, "") != nil {
			t.Errorf("%s: refused without need", where)
		}
	}
}

// TestEnvironment: no server gets the secret by inheritance, also under another name.
func TestEnvironment(t *testing.T) {
	s := &config.Server{Process: config.Process{Inherit: []string{"*"}}, Env: map[string]config.Secret{"B": "own", "A": "1"}}
	all := []string{"PATH=/bin", "B=inherited", "HOLDFAST_CLUSTER_SECRET=" + testSecret, "MY_SECRET=" + testSecret, "HOLDFAST_CLUSTER_SECRET_FILE=/f"}
	if diff := cmp.Diff([]string{"PATH=/bin", "B=inherited", "A=1", "B=own"}, environment(s, all, testSecret)); diff != "" {
		t.Error(diff)
	}
	s.Process.User, s.Env = "nobody", map[string]config.Secret{"HOME": "/srv"}
	personal := []string{"HOME=/root", "USER=root", "XDG_RUNTIME_DIR=/run/user/0", "TMPDIR=/root/tmp", "LANG=C"}
	if diff := cmp.Diff([]string{"LANG=C", "HOME=/srv"}, environment(s, personal, testSecret)); diff != "" {
		t.Errorf("of another user: %s", diff)
	}
	s.Process.User, s.Env = "", map[string]config.Secret{"A": "1"}
	if got := environment(s, all, ""); len(got) != 4 {
		t.Errorf("without a secret: %q", got)
	}
}
