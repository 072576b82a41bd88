// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

const (
	// framePatience is how long a frame may stay away while later ones are here:
	// writers send them in any order, and nobody sends that of a writer that has died.
	framePatience = 50 * time.Millisecond
	// maxAheadBytes bounds the frames kept behind a gap; beyond it they are read again.
	maxAheadBytes = 64 << 20
	// narrowGap is how many frames a leader is asked for one by one, when a replica
	// could be for all.
	narrowGap = 16
	// readFrames and readBytes bound one read of frames; very large reads end early.
	readFrames = 500
	readBytes  = 4 << 20
)

var _ follower = (*journal)(nil)

func newJournal(done <-chan struct{}, conn *nats.Conn, self string) *journal {
	return &journal{
		progress: newProgress(done), conn: conn, self: self,
		ahead: map[uint64][]byte{}, filled: make(chan struct{}, 1), flights: map[uint64]*flight{}, ids: map[session.ID]struct{}{},
	}
}

func (j *journal) stream() string { return j.name }

// start implements [follower].
func (j *journal) start(ctx context.Context) error {
	if err := listen(ctx, j.conn, &j.sub, j.feed, j.receive); err != nil {
		return err
	}
	return j.catchUp(ctx)
}

// work implements [follower].
func (j *journal) work(ctx context.Context, failed func(error)) {
	j.progress.work(ctx, j.send, j.catchUp, failed)
}

// tell sends the nodes a frame that a majority has, with its number before it.
// Number 0, without a frame, only says that there may be one.
func (j *journal) tell(number uint64, body []byte) {
	msg := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen64+len(body)), number)
	_ = j.conn.Publish(j.feed, append(msg, body...)) // the others catch up
}

// receive takes what a node tells. This one's own frames are known by then, or
// would be at once.
func (j *journal) receive(m *nats.Msg) {
	number, n := binary.Uvarint(m.Data)
	if n <= 0 || number == 0 {
		j.nudge()
		return
	}
	j.arrived(number, m.Data[n:])
}

// arrived takes a frame, whoever brings it, and applies what is next.
func (j *journal) arrived(number uint64, body []byte) {
	j.mu.Lock()
	ids := j.take(number, body)
	j.mu.Unlock()
	j.table.tell(ids)
}

// take is arrived under j.mu; it returns the sessions that have changed.
func (j *journal) take(number uint64, body []byte) (ids []session.ID) {
	j.seen = max(j.seen, number)
	if _, known := j.ahead[number]; known || number <= j.last {
		return nil
	}
	if number != j.last+1 {
		if len(j.ahead) == 0 {
			j.watchGap(framePatience, func() bool { return len(j.ahead) > 0 })
		}
		if j.aheadBytes+len(body) > maxAheadBytes {
			j.nudge()
			return nil
		}
		j.ahead[number] = body
		j.aheadBytes += len(body)
		return nil
	}
	for ok := true; ok; {
		ids = j.apply(number, body, ids)
		j.last = number
		number++
		if body, ok = j.ahead[number]; ok {
			delete(j.ahead, number)
			j.aheadBytes -= len(body)
		}
	}
	j.applied.Store(j.last)
	return ids
}

// apply applies the next frame and adds the sessions that it changes to ids. What
// is torn is left out, at every node alike.
func (j *journal) apply(number uint64, body []byte, ids []session.ID) []session.ID {
	f, err := parseFrame(body)
	if err != nil {
		return ids
	}
	if f.floor > 0 {
		j.table.raise(f.floor)
		if j.replay != nil && f.floor >= j.replay.first {
			j.replay = nil
		}
	}
	own := f.origin == j.self
	var outcomes []outcome
	_ = f.each(func(c *change) bool {
		o := outcome{rev: number}
		if j.table.admit(number, c, j.replay) {
			ids = append(ids, c.id)
		} else {
			o = outcome{err: errConflict}
		}
		if own {
			outcomes = append(outcomes, o)
		}
		return true
	})
	if own {
		j.end(f.number, func(i int) outcome { return outcomes[i] })
	}
	return ids
}

// replay is what a node needs that reads the journal from a frame on before which
// it knows nothing: what was there had been put again by then, behind it. A change
// over a revision of that time may be one that was refused: of several, that over
// the latest is the one that was done. The cleaner's next floor ends the doubt.
type replay struct {
	first uint64                // frame from which on everything is known
	bases map[session.ID]uint64 // what the changes admitted over something unknown were over
}

// admits reports whether a change of a record that is at revision at, 0 for none,
// is to be done.
func (r *replay) admits(c *change, at uint64) bool {
	if r == nil || c.over >= r.first {
		return at == c.over
	}
	if base, doubtful := r.bases[c.id]; at >= r.first && (!doubtful || c.over <= base) {
		return false
	}
	r.bases[c.id] = c.over
	return true
}

// catchUp reads what is missing from a replica.
func (j *journal) catchUp(ctx context.Context) error { return j.progress.catchUp(ctx, j.read) }

// read applies some of the frames from a number on: as a replica has them, or the
// leader, when others have seen what the replica does not have yet. That is the
// case at a node that was stopped for a while, whose writers wait here meanwhile.
//
// A narrow gap is for the leader to fill at once. It opens when a leader is lost,
// and then the one replica that is still asked may be that leader.
func (j *journal) read(ctx context.Context, from uint64) (more bool, err error) {
	var ids []session.ID
	defer func() { j.table.tell(ids) }()
	take := func(number uint64, body []byte) error {
		j.mu.Lock()
		defer j.mu.Unlock()
		if number > j.last+1 { // what was between is no longer there
			j.jump(number)
		}
		ids = append(ids, j.take(number, body)...)
		return nil
	}
	if j.narrow() && j.fill(ctx, take) {
		return false, nil
	}
	more, err = j.frames(ctx, from, take)
	if err != nil || more {
		return more, err
	}
	j.fill(ctx, take)
	return false, nil
}

// fill reads what is known to be missing from the leader, one by one, and reports
// whether nothing is any more.
func (j *journal) fill(ctx context.Context, take func(number uint64, body []byte) error) bool {
	for number := j.missing(); number > 0; number = j.missing() {
		m, err := j.stored(ctx, j.name, map[string]any{"seq": number})
		if err != nil { // nobody leads, or it has been cleaned away
			return false
		}
		_ = take(number, m.Data)
	}
	return true
}

// narrow reports whether few frames are missing before those that are here.
func (j *journal) narrow() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.ahead) > 0 && j.seen-j.last-uint64(len(j.ahead)) <= narrowGap
}

// missing returns the number of the next frame that is known to exist and has not
// come, 0 when there is none.
func (j *journal) missing() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.last >= j.seen {
		return 0
	}
	return j.last + 1
}

// jump goes on at a frame, which has to be taken next, without those before.
// j.mu is held.
func (j *journal) jump(to uint64) {
	for number, body := range j.ahead {
		if number <= to { // take leaves alone what is known already
			delete(j.ahead, number)
			j.aheadBytes -= len(body)
		}
	}
	j.strand(to)
	j.last = to - 1
	j.replay = &replay{first: to, bases: map[session.ID]uint64{}}
}

// frames hands some frames from a number on to do, as a replica has them.
func (j *journal) frames(ctx context.Context, from uint64, do func(number uint64, body []byte) error) (more bool, err error) {
	query := map[string]any{"seq": from, "batch": readFrames, "max_bytes": readBytes}
	return directBatch(ctx, j.conn, j.name, query, func(m *nats.Msg) error {
		number, err := strconv.ParseUint(m.Header.Get(headerSequence), 10, 64)
		if err != nil {
			return fmt.Errorf("read from a replica: %w", err)
		}
		return do(number, m.Data)
	})
}
