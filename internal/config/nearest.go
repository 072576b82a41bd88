// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
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
		if d := distance(folded, strings.ToLower(name), least); d <= least && (best == "" || d < least) {
			best, least = name, d
		}
	}
	return best
}

// distance counts insertions, deletions, substitutions and swaps of neighbours
// (optimal string alignment) between a and b. Over limit its value only says so.
func distance(a, b string, limit int) int {
	if diff := len(a) - len(b); diff > limit || -diff > limit {
		return limit + 1
	}
	older, old, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range old {
		old[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(old[j]+1, row[j-1]+1, old[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, old, row = old, row, older
	}
	return old[len(b)]
}

// didYouMean is the hint for a value that must be one of names.
func didYouMean(value string, names []string) string {
	if near := nearest(value, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}
