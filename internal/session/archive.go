// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package session

import "context"

// Entry is one event of a stream in an [Archive].
type Entry struct {
	Seq  uint64 // its number in the stream
	Data []byte // nil for an event that only carries its id
	Last bool   // the stream gets no more
}

// Tail is what an [Archive] keeps of a stream behind some event.
type Tail struct {
	Entries []Entry // ascending, without gaps
	Lost    uint64  // events before the first of Entries that are not kept
	Newest  uint64  // number of the newest event kept
	Done    bool    // the newest event is the stream's last
	Partial bool    // newer events may be kept, which cannot be known now
}

// Archive is a log of events that every node can read. It keeps what a client
// may ask another node for than the one that made it, within bounds of its own. It is
// safe for concurrent use.
type Archive interface {
	// Append keeps events and returns when no loss of a single node can lose them.
	// Of two events of one number the first stays, and appending the second is
	// no error. The id of the stream is one of [ArchiveID].
	Append(ctx context.Context, stream string, entries ...Entry) error
	// Read returns what is kept behind event after, or [ErrUnknownStream] when
	// nothing of the stream is.
	Read(ctx context.Context, stream string, after uint64) (Tail, error)
}

// ArchiveID names a session's stream in an [Archive]: letters, digits and '_',
// at most 64. The session is part of it, so that no other one reads the stream.
// It returns false for what is no stream's id.
func ArchiveID(id ID, stream string) (string, bool) {
	if len(stream) < StreamIDBytes {
		return "", false
	}
	for _, c := range []byte(stream[:StreamIDBytes]) {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "", false
		}
	}
	return id.String() + "_" + stream[:StreamIDBytes], true
}
