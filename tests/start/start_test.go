// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
	"time"
)

// TestSmall runs everything with scripts in place of npm servers; whether the bars are
// kept is not asked, as tests share their machine.
func TestSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("starts whole programs")
	}
	var out strings.Builder
	code := command(t.Context(), []string{"-small", "-warm", "12"}, &out)
	for _, line := range []string{"10 servers, empty cache", "12 servers, warm", "12 servers, warm, and one hangs"} {
		if !strings.Contains(out.String(), line+" ") {
			t.Errorf("status %d, no line for %q:\n%s", code, line, out.String())
		}
	}
	if code != 0 && !strings.Contains(out.String(), "is held") {
		t.Errorf("status %d: %s", code, out.String())
	}
	t.Log(out.String())
}

// TestJudge holds where the bars are.
func TestJudge(t *testing.T) {
	for _, tc := range []struct {
		direct, through time.Duration
		p               passage
		want            string
	}{
		{10 * time.Second, 14 * time.Second, passage{greeted: time.Second, listed: time.Second}, ""},
		{10 * time.Second, 14*time.Second + 1, passage{}, "through Holdfast"},
		{10 * time.Second, time.Second, passage{greeted: time.Second + 1}, "at the start"},
		{10 * time.Second, time.Second, passage{listed: time.Second + 1}, "when all are up"},
	} {
		err := judge("x", tc.direct, tc.through, tc.p)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v", tc, err)
		}
	}
}

// TestMissing: a run waits for the tools of every server.
func TestMissing(t *testing.T) {
	servers := npmServers(12, "/cache")
	var names []string
	for i := range servers {
		if got := without(servers, names); got != servers[i].name {
			t.Errorf("with %d servers %q is missing", i, got)
		}
		names = append(names, servers[i].name+"__tool")
	}
	if got := without(servers, names); got != "" {
		t.Errorf("with all, %q is missing", got)
	}
}
