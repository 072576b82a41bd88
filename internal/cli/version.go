// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// version prints what this program was built from, a fact a line.
func version(_ context.Context, env *Env, args []string) error {
	if err := parse(flags("version"), args, 0, 0); err != nil {
		return err
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	fmt.Fprint(env.Out, described(info))
	return nil
}

// described tells a person what a program was built from. The go command records the
// version, commit and date of a build in a checkout; of a module that was downloaded
// only the version is known.
func described(info *debug.BuildInfo) string {
	settings := make(map[string]string, len(info.Settings))
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	commit := settings["vcs.revision"]
	if commit != "" && settings["vcs.modified"] == "true" {
		commit += " with changes"
	}
	var b strings.Builder
	fmt.Fprintln(&b, "holdfast", versionOf(info))
	for _, fact := range []struct{ name, value string }{
		{"commit", commit},
		{"date", settings["vcs.time"]},
		{"go", strings.TrimPrefix(info.GoVersion, "go")},
		{"platform", runtime.GOOS + "/" + runtime.GOARCH},
	} {
		if fact.value == "" {
			fact.value = "unknown"
		}
		fmt.Fprintf(&b, "%-9s%s\n", fact.name, fact.value)
	}
	return b.String()
}

// buildVersion is the version that this program says to others.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return versionOf(&debug.BuildInfo{})
	}
	return versionOf(info)
}

// versionOf is the module's version as the go command recorded it: a tag, a
// pseudo-version, or (devel) where neither is known.
func versionOf(info *debug.BuildInfo) string {
	if info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
