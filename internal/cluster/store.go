// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// Headers of the store's messages.
const (
	headerExpected = "Nats-Expected-Last-Subject-Sequence"
	headerTTL      = "Nats-TTL"
	headerWrite    = "Holdfast-Write" // names one write, to know one's own again
	headerSequence = "Nats-Sequence"
	headerSubject  = "Nats-Subject"
	headerPending  = "Nats-Num-Pending"
	headerStatus   = "Status"
)

// kv is one replicated table: values by key, one message each.
type kv struct {
	stream string      // its name
	prefix string      // of its subjects, with the dot
	feed   string      // subject under which nodes tell each other of changes
	tell   func(value) // tells the others of a write; may be nil
	leader
	limit  time.Duration // of one write
	health *health
}

// errUndecided reports a conflict with a write that has not been done yet.
var errUndecided = errors.New("another write is under way")

// maxWrites is how many writes a value names: its own and those it came after.
const maxWrites = 8

// put writes v.data under v.key if that is at revision v.rev, 0 for none, and
// returns its new revision once a majority has it, and what is stored, which may
// be what came after it already. It tries again while there
// is no answer. Each write has a name, and each value names the writes before
// it as far as v.writes tells, so that one's own is known again even when others
// have come after it. It fails with errConflict, or [ErrNoQuorum] when the
// outcome is unknown.
func (t *kv) put(ctx context.Context, v value, ttl time.Duration) (stored value, rev uint64, err error) { //nolint:unparam // tests want rev
	if len(v.data) > maxPayload-1<<10 {
		return v, 0, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(v.data))
	}
	if err := t.health.fault(); err != nil {
		return v, 0, err
	}
	w := t.newWrite(v, ttl)
	stored, rev, err = t.write(ctx, w)
	switch {
	case t.tell == nil:
	case err == nil:
		t.tell(stored)
	case errors.Is(err, ErrNoQuorum):
		t.tell(value{}) // it may have been done
	}
	return stored, rev, err
}

// pending is one write on its way.
type pending struct {
	value
	name string

	msg    nats.Msg
	fields [3][1]string // of its header; here they cost no allocation each
}

// The fields of a write's header.
const (
	fieldExpected = iota
	fieldWrite
	fieldTTL
)

var fieldNames = [...]string{headerExpected, headerWrite, headerTTL}

func (w *pending) set(field int, s string) {
	w.fields[field][0] = s
	w.msg.Header[fieldNames[field]] = w.fields[field][:]
}

func (t *kv) newWrite(v value, ttl time.Duration) *pending {
	w := &pending{value: v, name: rand.Text()[:writeName]}
	if v.rev > 0 && v.writes == "" {
		w.writes = unknownWrites
	}
	w.writes = lineage(w.name, w.writes)
	w.msg = nats.Msg{Subject: t.prefix + v.key, Data: v.data, Header: make(nats.Header, len(w.fields))}
	w.set(fieldExpected, strconv.FormatUint(v.rev, 10))
	w.set(fieldWrite, w.writes)
	if ttl > 0 {
		w.set(fieldTTL, strconv.FormatInt(max(int64(ttl/time.Second), 1), 10)+"s") // without a unit it is parsed twice, by each replica
	}
	return w
}

func (t *kv) write(ctx context.Context, w *pending) (value, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, t.health.writeLimit(t.limit))
	defer cancel()
	sent := false // an attempt without an answer may have been done
	for {
		rev, err := t.attempt(ctx, &w.msg)
		switch {
		case err == nil:
			t.health.wrote()
			v := w.value
			v.rev = rev
			return v, rev, nil
		case errors.Is(err, errConflict):
			var now value
			if now, rev, err = t.mine(ctx, w.value, w.name, sent); !errors.Is(err, errUndecided) {
				return now, rev, err
			}
			// A write of this revision is under way, perhaps an attempt of this one.
		case errors.Is(err, ErrStorage):
			t.health.full.Store(true)
			return w.value, 0, err
		case errors.Is(err, ErrTooLarge), errors.Is(err, ErrClosed):
			return w.value, 0, err
		}
		sent = sent || !errors.Is(err, errNoLeader)
		select {
		case <-time.After(retryWait):
		case <-ctx.Done():
			return w.value, 0, t.health.unknown(ctx, err)
		}
	}
}

// mine resolves a conflict: the write may have won by an earlier attempt whose
// answer was lost. It returns what the leader has when it did not.
func (t *kv) mine(ctx context.Context, v value, name string, sent bool) (value, uint64, error) {
	now, err := t.sure(ctx, v.key)
	if err != nil && !errors.Is(err, errAbsent) {
		return value{}, 0, t.health.unknown(ctx, err)
	}
	after := place(now.writes, name)
	switch {
	case now.rev == v.rev:
		return now, 0, errUndecided
	case after == 0:
		t.health.wrote()
		return now, now.rev, nil
	case after > 0: // it won, and others have come since
		t.health.wrote()
		return now, now.previous, nil
	case !sent, err != nil, now.previous == v.rev, whole(now.writes):
		return now, 0, errConflict // another's write came instead
	}
	return now, 0, fmt.Errorf("%w: overwritten before it was acknowledged", t.health.missing())
}
