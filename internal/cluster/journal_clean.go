// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// cleanInterval is the time between two looks at the journal's size.
	cleanInterval = 5 * time.Second
	// cleanShare is which part of the journal is cleaned at once: a quarter.
	cleanShare = 4
	// sparse is how many times the records' size the journal may have.
	sparse = 3
	// entryOverhead is about what a change takes in a frame, and a frame in a file,
	// beside the record.
	entryOverhead = 40
	// minJournal is the size below which the journal is not cleaned.
	minJournal = 64 << 20
	// cleaners is how many records are put again at once.
	cleaners = 256
)

// cleaning keeps the journal of a size: what is still valid of its oldest frames
// is put again, like any change, and then they are dropped.
type cleaning struct {
	j      *journal
	js     jetstream.JetStream
	least  int64 // bytes below which nothing is done
	sparse int64 // how many times the records' size the journal may have
}

// due returns up to which size the journal's oldest frames are to be cleaned.
func (c *cleaning) due(state *jetstream.StreamState) (bytes int64) {
	have := int64(state.Bytes) // of a disk
	n, size := c.j.table.valid(time.Now())
	if have > c.least && have > c.sparse*(size+int64(n)*entryOverhead) {
		bytes = have / cleanShare
	}
	return bytes
}

// clean cleans what is due. It may be broken off anywhere, and done by two nodes
// at once: the changes are compared as all are, and what has been put again is no
// longer in the oldest frames.
func (c *cleaning) clean(ctx context.Context) error {
	if err := c.evict(ctx); err != nil {
		return err
	}
	s, err := c.js.Stream(ctx, c.j.name)
	if err != nil {
		return err
	}
	state := s.CachedInfo().State
	bytes := c.due(&state)
	next, end := state.FirstSeq, c.j.certain()
	for bytes > 0 && next <= end {
		var valid []change
		at := next
		_, err := c.j.frames(ctx, next, func(number uint64, body []byte) error {
			if number > end || bytes <= 0 {
				return nil
			}
			bytes -= int64(len(body))
			valid = append(valid, c.keep(number, body)...)
			next = number + 1
			return nil
		})
		if err == nil {
			err = c.putAgain(ctx, valid)
		}
		if err != nil {
			return err
		}
		if next == at {
			break // the replica is behind
		}
	}
	if next == state.FirstSeq {
		return nil
	}
	if err := c.j.raise(ctx, next); err != nil {
		return err
	}
	return s.Purge(ctx, jetstream.WithPurgeSequence(next))
}

// certain returns up to which frame this node knows what has become of each
// change: none while it is in doubt.
func (j *journal) certain() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.replay != nil {
		return 0
	}
	return j.last
}

// keep returns what has to be put again of a frame: not what has expired.
func (c *cleaning) keep(number uint64, body []byte) (valid []change) {
	f, err := parseFrame(body)
	if err != nil {
		return nil
	}
	now := time.Now().UnixMilli()
	_ = f.each(func(r *change) bool { // what is torn was never done
		if r.expires > now && c.j.table.revision(r.id) == number {
			again := *r
			again.over = number
			valid = append(valid, again)
		}
		return true
	})
	return valid
}

// putAgain puts records over themselves, several at once. Those that have been
// changed meanwhile need not be.
func (c *cleaning) putAgain(ctx context.Context, valid []change) error {
	return errors.Join(atOnce(cleaners, valid, func(r change) error {
		_, err := c.j.put(ctx, r)
		if errors.Is(err, errConflict) {
			return nil
		}
		return err
	})...)
}

// raise writes that no record is at a revision below floor any more, and returns
// once this node has applied that.
func (j *journal) raise(ctx context.Context, floor uint64) error {
	f := &flight{over: make(chan struct{})}
	j.writing.Lock()
	number, body := j.launch(f, frame{floor: floor})
	j.writing.Unlock()
	if err := j.fly(ctx, f, body); err != nil {
		j.end(number, failing(err))
		return err
	}
	select {
	case <-f.over:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrNoQuorum, context.Cause(ctx))
	}
}

// keepClean cleans the journal until ctx ends, at the node that comes first of
// those that are there.
func (c *Cluster) keepClean(ctx context.Context) {
	js, err := jetstream.New(c.conn)
	if err != nil {
		c.log.Error("the journal of sessions is not cleaned", "error", err)
		return
	}
	clean := &cleaning{j: c.sessions.journal, js: js, least: minJournal, sparse: sparse}
	ticker := time.NewTicker(cleanInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !c.members.first() {
			continue
		}
		if err := clean.clean(ctx); err != nil && ctx.Err() == nil {
			c.log.Debug("journal of sessions not cleaned; tried again", "error", err)
		}
	}
}
