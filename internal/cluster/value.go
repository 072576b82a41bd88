// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/binary"
	"strings"
	"time"
)

// value is what a key holds.
type value struct {
	key      string
	rev      uint64
	data     []byte
	writes   string // names of its write and those before, the newest first
	previous uint64 // revision it replaced, when the leader told
}

// writeName is the length of a write's name, and unknownWrites stands for those
// that the writer did not know.
const (
	writeName     = 8
	unknownWrites = "????????"
)

// lineage puts a write's name before those of the writes before it.
func lineage(name, before string) string {
	all := name + before
	return all[:min(len(all), maxWrites*writeName)]
}

// place returns how many writes came after the named one, -1 when it is not there.
func place(writes, name string) int {
	for i := 0; i+writeName <= len(writes); i += writeName {
		if writes[i:i+writeName] == name {
			return i / writeName
		}
	}
	return -1
}

// whole reports whether writes go back to the first.
func whole(writes string) bool {
	return len(writes) < maxWrites*writeName && !strings.HasSuffix(writes, unknownWrites)
}

// A stored value begins with its format and its expiry, so that who only needs
// to know whether it is still there need not decode it.
const (
	valueFormat = 1
	valueHead   = 1 + 8
)

// ttlGrace keeps a value in the store a little longer than it is valid, since
// clocks differ.
const ttlGrace = time.Minute

func appendHead(buf []byte, expires time.Time) []byte {
	return binary.BigEndian.AppendUint64(append(buf, valueFormat), uint64(expires.UnixMilli())) // both ways the same bits
}

// splitHead returns a stored value's expiry and body.
func splitHead(data []byte) (expires time.Time, body []byte, ok bool) {
	if len(data) < valueHead || data[0] != valueFormat {
		return time.Time{}, nil, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(data[1:]))), data[valueHead:], true // both ways the same bits
}

// ttlOf is how long the store keeps what expires then.
func ttlOf(expires time.Time) time.Duration { return max(time.Until(expires), 0) + ttlGrace }
