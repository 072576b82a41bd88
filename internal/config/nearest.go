// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/typo"
)

// synonyms are words that people write for a key and that no distance of letters
// would lead to it. They count only where their key is valid.
var synonyms = map[string]string{
	"cmd":              "command",
	"exec":             "command",
	"arguments":        "args",
	"environment":      "env",
	"workingdirectory": "cwd",
	"workdir":          "cwd",
	"dir":              "cwd",
	"endpoint":         "url",
	"uri":              "url",
	"address":          "listen",
	"addr":             "listen",
	"bind":             "listen",
	"host":             "listen",
	"port":             "listen",
	"datadir":          "data",
	"kind":             "type",
	"instances":        "max",
	"maxinstances":     "max",
	"mininstances":     "min",
	"concurrency":      "maxCalls",
	"maxconcurrency":   "maxCalls",
	"maxconnections":   "maxConns",
	"idlestop":         "idle",
	"startuptimeout":   "startTimeout",
	"inherit":          "inheritEnv",
	"mem":              "memory",
	"cores":            "cpu",
	"maxprocesses":     "processes",
	"node":             "name",
	"nodename":         "name",
	"peers":            "join",
	"seeds":            "join",
	"routes":           "join",
}

// nearest returns the name that key was probably meant to be, or "".
func nearest(key string, names []string) string {
	folded := strings.ToLower(key)
	best, least := "", max(1, (len(key)+1)/3)
	for _, name := range names {
		if synonyms[folded] == name || strings.ToLower(name) == folded {
			return name
		}
		if d := typo.Distance(folded, strings.ToLower(name), least); d <= least && (best == "" || d < least) {
			best, least = name, d
		}
	}
	return best
}

// didYouMean is the hint for a value that must be one of names.
func didYouMean(value string, names []string) string {
	if near := nearest(value, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}
