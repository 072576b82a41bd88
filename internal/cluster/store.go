// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
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

// Codes of the server's errors.
const (
	codeWrongSequence         = 10071
	codeWrongSequenceConstant = 10164
	codeNoMemory              = 10023
	codeNoStorage             = 10047
	codeStoreFailed           = 10077
	codeNoMessage             = 10037
)

// attemptTimeout is how long one attempt at a write waits for its answer before
// the next: a leader that hangs answers nothing. While others get answers from
// it, it is only busy, and another attempt would make it busier.
const (
	attemptTimeout = 400 * time.Millisecond
	busyTimeout    = 2 * time.Second
)

// retryWait is the pause before the next attempt when there is no leader.
const retryWait = 50 * time.Millisecond

// asker sends a request and waits for one answer, or sends without an answer. It
// is the seam at which tests lose, delay and double messages.
type asker interface {
	ask(ctx context.Context, msg *nats.Msg) (*nats.Msg, error)
	send(msg *nats.Msg) error
}

// natsAsker is the asker over a connection.
type natsAsker struct{ conn *nats.Conn }

func (a natsAsker) ask(ctx context.Context, msg *nats.Msg) (*nats.Msg, error) {
	return a.conn.RequestMsgWithContext(ctx, msg)
}

func (a natsAsker) send(msg *nats.Msg) error { return a.conn.PublishMsg(msg) }

// kv is one replicated table: values by key, one message each.
type kv struct {
	stream  string         // its name
	prefix  string         // of its subjects, with the dot
	feed    string         // subject under which nodes tell each other of changes
	tell    func(...value) // tells the others of writes; may be nil
	asker   asker
	limit   time.Duration // of one write
	health  *health
	batches *batches // nil: each write goes by itself

	answers *atomic.Uint64 // writes that were answered
}

// reply is the server's answer to a write.
type reply struct {
	Sequence uint64    `json:"seq"`   // of the last write of a batch
	Batch    string    `json:"batch"` // its name
	Count    int       `json:"count"` // of its writes
	Error    *apiError `json:"error"`
}

type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
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
func (t *kv) put(ctx context.Context, v value, ttl time.Duration) (stored value, rev uint64, err error) {
	if len(v.data) > maxPayload-1<<10 {
		return v, 0, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(v.data))
	}
	w := t.newWrite(v, ttl)
	stored, rev, err = t.write(ctx, w)
	switch {
	case t.tell == nil:
	case err == nil && !w.told:
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
	told bool // the others have been told

	msg    nats.Msg
	fields [6][1]string // of its header; here they cost no allocation each

	done chan outcome // capacity 1: that of its batch
}

// The fields of a write's header. Those from fieldBatch on are of a batch.
const (
	fieldExpected = iota
	fieldWrite
	fieldTTL
	fieldBatch
	fieldSequence
	fieldCommit
)

var fieldNames = [...]string{headerExpected, headerWrite, headerTTL, headerBatch, headerBatchSequence, headerBatchCommit}

func (w *pending) set(field int, s string) {
	w.fields[field][0] = s
	w.msg.Header[fieldNames[field]] = w.fields[field][:]
}

// outcome is what became of a write in a batch.
type outcome struct {
	rev uint64
	err error
}

// take takes the outcome of a write's batch, whose others have been told of it too.
func (w *pending) take(o outcome) (uint64, error) {
	w.told = o.err == nil
	return o.rev, o.err
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
	together := true
	for {
		rev, err := t.once(ctx, w, together)
		switch {
		case err == nil:
			t.health.wrote()
			v := w.value
			v.rev = rev
			return v, rev, nil
		case errors.Is(err, errRefused):
			sent, together = sent || !errors.Is(err, errConflict), false
			continue
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
		// What may have been done would be refused, and its batch with it.
		together = together && errors.Is(err, errNoLeader)
		sent = sent || !errors.Is(err, errNoLeader)
		select {
		case <-time.After(retryWait):
		case <-ctx.Done():
			return w.value, 0, t.unknown(ctx, err)
		}
	}
}

// once makes one attempt at a write, together with others if it may be and there are any.
func (t *kv) once(ctx context.Context, w *pending, together bool) (uint64, error) {
	b := t.batches
	if b == nil || !together || !b.takes(w) {
		return t.attempt(ctx, &w.msg)
	}
	switch b.begin(w) {
	case goesAlone:
		return t.attempt(ctx, &w.msg)
	case goesFirst:
		defer b.end(w)
		return t.attempt(ctx, &w.msg)
	}
	return b.await(ctx, w)
}

// unknown is the error of a write without an answer.
func (t *kv) unknown(ctx context.Context, last error) error {
	if cause := context.Cause(ctx); errors.Is(cause, context.Canceled) {
		return fmt.Errorf("%w: %w", ErrNoQuorum, cause)
	}
	t.health.failed()
	return fmt.Errorf("%w: %w", ErrNoQuorum, last)
}

// attempt sends a write once, by itself.
func (t *kv) attempt(ctx context.Context, msg *nats.Msg) (uint64, error) {
	r, err := t.request(ctx, msg)
	switch {
	case err != nil:
		return 0, err
	case r.Error != nil:
		return 0, r.Error.typed()
	}
	return r.Sequence, nil
}

// request sends what the leader answers once it is written.
func (t *kv) request(ctx context.Context, msg *nats.Msg) (reply, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, busyTimeout, errNoAnswer)
	defer cancel()
	defer time.AfterFunc(attemptTimeout, t.patience(ctx, cancel)).Stop()
	answer, err := t.asker.ask(ctx, msg)
	if err != nil {
		return reply{}, askError(err)
	}
	t.answers.Add(1)
	var r reply
	if err := json.Unmarshal(answer.Data, &r); err != nil {
		return r, fmt.Errorf("decode the answer to a write: %w", err)
	}
	return r, nil
}

// patience returns what looks after an attempt: it gives it up unless others have
// had answers meanwhile.
func (t *kv) patience(ctx context.Context, giveUp func()) func() {
	answered := t.answers.Load()
	var look func()
	look = func() {
		now := t.answers.Load()
		switch {
		case ctx.Err() != nil: // it is over
		case now == answered:
			giveUp()
		default:
			answered = now
			time.AfterFunc(attemptTimeout, look)
		}
	}
	return look
}

func (e *apiError) typed() error {
	switch e.ErrCode {
	case codeWrongSequence, codeWrongSequenceConstant:
		return errConflict
	case codeNoMemory, codeNoStorage, codeStoreFailed:
		return fmt.Errorf("%w: %s", ErrStorage, e.Description)
	case codeNoMessage:
		return errAbsent
	}
	return fmt.Errorf("store: %s (%d)", e.Description, e.ErrCode)
}

// askError names the errors of the transport that are for good.
func askError(err error) error {
	switch {
	case errors.Is(err, nats.ErrConnectionClosed):
		return ErrClosed
	case errors.Is(err, nats.ErrMaxPayload):
		return ErrTooLarge
	case errors.Is(err, nats.ErrNoResponders):
		return errNoLeader
	}
	return err
}

// mine resolves a conflict: the write may have won by an earlier attempt whose
// answer was lost. It returns what the leader has when it did not.
func (t *kv) mine(ctx context.Context, v value, name string, sent bool) (value, uint64, error) {
	now, err := t.sure(ctx, v.key)
	if err != nil && !errors.Is(err, errAbsent) {
		return value{}, 0, t.unknown(ctx, err)
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
	return now, 0, fmt.Errorf("%w: overwritten before it was acknowledged", ErrNoQuorum)
}
