// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import "slices"

// Version is a protocol revision, written as its date.
type Version string

// The revisions of the protocol.
const (
	V20241105 Version = "2024-11-05"
	V20250326 Version = "2025-03-26"
	V20250618 Version = "2025-06-18"
	V20251125 Version = "2025-11-25"
	V20260728 Version = "2026-07-28"
)

// Era tells the two ways of speaking MCP apart.
//
// spec 2026-07-28 basic/versioning: legacy revisions open with an initialize
// handshake, modern ones carry their metadata in each request.
type Era uint8

// The eras.
const (
	Legacy Era = iota + 1 // 2024-11-05 … 2025-11-25
	Modern                // 2026-07-28 and later
)

// String returns "legacy" or "modern".
func (e Era) String() string {
	switch e {
	case Legacy:
		return "legacy"
	case Modern:
		return "modern"
	}
	return "unknown"
}

// Latest is the newest revision; the inner model of Holdfast speaks it.
const Latest = V20260728

// LatestLegacy is the newest revision with an initialize handshake.
const LatestLegacy = V20251125

// AssumedLegacy is what a legacy HTTP request without a version header speaks.
//
// spec 2025-06-18 basic/transports: "the server SHOULD assume protocol version 2025-03-26".
const AssumedLegacy = V20250326

// Versions returns the known revisions, newest first.
func Versions() []Version {
	return []Version{V20260728, V20251125, V20250618, V20250326, V20241105}
}

// VersionsOf returns the known revisions of one era, newest first.
func VersionsOf(era Era) []Version {
	return slices.DeleteFunc(Versions(), func(v Version) bool { return v.Era() != era })
}

// Known reports whether v is a revision this package knows.
func (v Version) Known() bool { return slices.Contains(Versions(), v) }

// Era returns the era of v. A date from the first modern revision on is modern,
// known or not; any other unknown date, and what is not a date, is neither (0).
func (v Version) Era() Era {
	switch {
	case !v.isDate():
		return 0
	case v >= V20260728:
		return Modern
	case v.Known():
		return Legacy
	}
	return 0
}

// draft20241007 is a draft of the first revision, which differs from it in nothing
// that is used here. The official TypeScript SDK speaks it.
const draft20241007 Version = "2024-10-07"

// Answered returns the revision that is spoken with a server that answers initialize
// with v: v itself, but the first revision for its draft.
func Answered(v Version) Version {
	if v == draft20241007 {
		return V20241105
	}
	return v
}

func (v Version) isDate() bool {
	if len(v) != len("2006-01-02") {
		return false
	}
	for i := range len(v) {
		if i == 4 || i == 7 {
			if v[i] != '-' {
				return false
			}
		} else if v[i] < '0' || v[i] > '9' {
			return false
		}
	}
	return true
}

// Negotiate answers a legacy initialize: the version asked for when it is a
// known legacy one, else the newest legacy version.
//
// spec 2025-11-25 basic/lifecycle#version-negotiation.
func Negotiate(asked Version) Version {
	if asked.Era() == Legacy {
		return asked
	}
	return LatestLegacy
}
