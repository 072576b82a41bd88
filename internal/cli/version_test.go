// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestDescribed(t *testing.T) {
	platform := "platform " + runtime.GOOS + "/" + runtime.GOARCH + "\n"
	vcs := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: "0a1b2c"}, {Key: "vcs.time", Value: "2026-11-30T10:00:00Z"}, {Key: "vcs.modified", Value: modified}}
	}
	for _, tc := range []struct {
		name string
		info debug.BuildInfo
		want string
	}{
		{"a release", debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v0.1.0"}, Settings: vcs("false")},
			"holdfast v0.1.0\ncommit   0a1b2c\ndate     2026-11-30T10:00:00Z\ngo       1.26.8\n"},
		{"changes", debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v0.1.1-0.2026+dirty"}, Settings: vcs("true")},
			"holdfast v0.1.1-0.2026+dirty\ncommit   0a1b2c with changes\ndate     2026-11-30T10:00:00Z\ngo       1.26.8\n"},
		{"a download", debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v0.1.0"}},
			"holdfast v0.1.0\ncommit   unknown\ndate     unknown\ngo       1.26.8\n"},
		{"nothing known", debug.BuildInfo{}, "holdfast (devel)\ncommit   unknown\ndate     unknown\ngo       unknown\n"},
	} {
		if got := described(&tc.info); got != tc.want+platform {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want+platform)
		}
	}
}

// TestVersion holds that every way of asking is answered alike, and with the version
// of Go that built this test.
func TestVersion(t *testing.T) {
	code, want, _ := run(t, "version")
	if code != 0 || !strings.HasPrefix(want, "holdfast ") || !strings.Contains(want, "\ngo       "+strings.TrimPrefix(runtime.Version(), "go")+"\n") {
		t.Errorf("version = %d %q", code, want)
	}
	for _, flag := range []string{"--version", "-version", "-v"} {
		if code, got, _ := run(t, flag); code != 0 || got != want {
			t.Errorf("%s = %d %q, want %q", flag, code, got, want)
		}
	}
}
