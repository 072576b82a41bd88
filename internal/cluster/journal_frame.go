// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/binary"
	"errors"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// change is one record to be put over a revision, 0 for none.
type change struct {
	id      session.ID
	over    uint64
	expires int64  // Unix milliseconds
	body    []byte // the record
}

// frame is one message of the journal: changes that one node has made at about
// the same time. Its number in the stream is the revision of each record in it.
type frame struct {
	origin  string // instance of the node
	number  uint64 // of the frame among that node's; one that was sent again has the same
	floor   uint64 // not 0: no record is at a revision below this any more
	entries []byte
}

// frameFormat is the first byte of a frame. A node that does not know the format
// cannot follow, so another format takes another cluster protocol.
const frameFormat = 1

var errFrame = errors.New("not a frame of changes")

func appendFrame(buf []byte, f *frame) []byte {
	buf = append(buf, frameFormat, byte(len(f.origin))) // names of instances are short
	buf = append(buf, f.origin...)
	buf = binary.AppendUvarint(buf, f.number)
	buf = binary.AppendUvarint(buf, f.floor)
	return append(buf, f.entries...)
}

func parseFrame(b []byte) (f frame, err error) {
	if len(b) < 2 || b[0] != frameFormat || len(b) < 2+int(b[1]) {
		return f, errFrame
	}
	f.origin, b = string(b[2:2+int(b[1])]), b[2+int(b[1]):]
	for _, field := range []*uint64{&f.number, &f.floor} {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return f, errFrame
		}
		*field, b = v, b[n:]
	}
	f.entries = b
	return f, nil
}

func appendChange(buf []byte, c *change) []byte {
	buf = append(buf, c.id[:]...)
	buf = binary.AppendUvarint(buf, c.over)
	buf = binary.AppendVarint(buf, c.expires)
	return append(binary.AppendUvarint(buf, uint64(len(c.body))), c.body...)
}

// cutChange reads the first change of b. Its body is a part of b.
func cutChange(b []byte) (c change, rest []byte, err error) {
	if len(b) < len(c.id) {
		return c, nil, errFrame
	}
	copy(c.id[:], b)
	b = b[len(c.id):]
	over, n := binary.Uvarint(b)
	if n <= 0 {
		return c, nil, errFrame
	}
	expires, m := binary.Varint(b[n:])
	if m <= 0 {
		return c, nil, errFrame
	}
	b = b[n+m:]
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return c, nil, errFrame
	}
	end := n + int(size) // bounded above
	c.over, c.expires, c.body = over, expires, b[n:end:end]
	return c, b[end:], nil
}

// each calls do with the changes of a frame until it returns false. What follows
// a torn one is left out, at every node alike.
func (f *frame) each(do func(c *change) bool) error {
	for b := f.entries; len(b) > 0; {
		c, rest, err := cutChange(b)
		if err != nil {
			return err
		}
		if !do(&c) {
			return nil
		}
		b = rest
	}
	return nil
}
