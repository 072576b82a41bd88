// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// digest identifies content, whatever its spelling and order.
type digest = [sha256.Size]byte

func compareDigests(a, b digest) int {
	if c := cmp.Compare(binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(b[:])); c != 0 {
		return c
	}
	return bytes.Compare(a[:], b[:])
}

// digestSet is digests in an order that depends on nothing but them. It is immutable.
type digestSet []digest

// newDigestSet takes over parts.
func newDigestSet(parts []digest) digestSet {
	slices.SortFunc(parts, compareDigests)
	return parts
}

// replaced returns the set with other digests in the place of those in from.
func (s digestSet) replaced(from, to []digest) digestSet {
	if len(from) == 0 {
		return s
	}
	next := slices.Clone(s)
	slices.SortFunc(from, compareDigests)
	for i, at := 0, 0; i < len(from); i++ {
		found, _ := slices.BinarySearchFunc(s, from[i], compareDigests)
		at = max(at, found) // the next of several that are equal
		next[at] = to[i]
		at++
	}
	return newDigestSet(next)
}

// sum returns the digest of the set.
func (s digestSet) sum() digest {
	h := sha256.New()
	for i := range s {
		h.Write(s[i][:])
	}
	return digest(h.Sum(nil))
}

// digestOf returns the digest of a set of digests.
func digestOf(parts []digest) digest { return newDigestSet(parts).sum() }
