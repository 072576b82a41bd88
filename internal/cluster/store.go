// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
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

// asker sends a request and waits for one answer. It is the seam at which tests
// lose, delay and double messages.
type asker interface {
	ask(ctx context.Context, msg *nats.Msg) (*nats.Msg, error)
}

// natsAsker is the asker over a connection.
type natsAsker struct{ conn *nats.Conn }

func (a natsAsker) ask(ctx context.Context, msg *nats.Msg) (*nats.Msg, error) {
	return a.conn.RequestMsgWithContext(ctx, msg)
}

// kv is one replicated table: values by key, one message each.
type kv struct {
	stream string      // its name
	prefix string      // of its subjects, with the dot
	feed   string      // subject under which nodes tell each other of changes
	tell   func(value) // tells the others of a write; may be nil
	asker  asker
	limit  time.Duration // of one write
	health *health

	answers *atomic.Uint64 // writes that were answered
}

// reply is the server's answer to a write.
type reply struct {
	Sequence uint64    `json:"seq"`
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
	stored, rev, err = t.write(ctx, v, ttl)
	switch {
	case t.tell == nil:
	case err == nil:
		t.tell(stored)
	case errors.Is(err, ErrNoQuorum):
		t.tell(value{}) // it may have been done
	}
	return stored, rev, err
}

func (t *kv) write(ctx context.Context, v value, ttl time.Duration) (value, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, t.health.writeLimit(t.limit))
	defer cancel()
	name := rand.Text()[:writeName]
	if v.rev > 0 && v.writes == "" {
		v.writes = unknownWrites
	}
	v.writes = lineage(name, v.writes)
	msg := &nats.Msg{Subject: t.prefix + v.key, Data: v.data, Header: nats.Header{
		headerExpected: {strconv.FormatUint(v.rev, 10)},
		headerWrite:    {v.writes},
	}}
	if ttl > 0 {
		msg.Header[headerTTL] = []string{strconv.FormatInt(max(int64(ttl/time.Second), 1), 10)}
	}
	sent := false // an attempt without an answer may have been done
	for {
		rev, err := t.attempt(ctx, msg)
		switch {
		case err == nil:
			t.health.wrote()
			v.rev = rev
			return v, rev, nil
		case errors.Is(err, errConflict):
			var now value
			if now, rev, err = t.mine(ctx, v, name, sent); !errors.Is(err, errUndecided) {
				return now, rev, err
			}
			// A write of this revision is under way, perhaps an attempt of this one.
		case errors.Is(err, ErrStorage):
			t.health.full.Store(true)
			return v, 0, err
		case errors.Is(err, ErrTooLarge), errors.Is(err, ErrClosed):
			return v, 0, err
		}
		sent = sent || !errors.Is(err, errNoLeader)
		select {
		case <-time.After(retryWait):
		case <-ctx.Done():
			return v, 0, t.unknown(ctx, err)
		}
	}
}

// unknown is the error of a write without an answer.
func (t *kv) unknown(ctx context.Context, last error) error {
	if cause := context.Cause(ctx); errors.Is(cause, context.Canceled) {
		return fmt.Errorf("%w: %w", ErrNoQuorum, cause)
	}
	t.health.failed()
	return fmt.Errorf("%w: %w", ErrNoQuorum, last)
}

// attempt sends a write once.
func (t *kv) attempt(ctx context.Context, msg *nats.Msg) (uint64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, busyTimeout, errNoAnswer)
	defer cancel()
	defer time.AfterFunc(attemptTimeout, t.patience(ctx, cancel)).Stop()
	answer, err := t.asker.ask(ctx, msg)
	if err != nil {
		return 0, askError(err)
	}
	t.answers.Add(1)
	var r reply
	if err := json.Unmarshal(answer.Data, &r); err != nil {
		return 0, fmt.Errorf("decode the answer to a write: %w", err)
	}
	if r.Error != nil {
		return 0, r.Error.typed()
	}
	return r.Sequence, nil
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

// value is what a key holds.
type value struct {
	key      string
	rev      uint64
	data     []byte
	writes   string // names of its write and those before, the newest first
	previous uint64 // revision it replaced, when the leader told
}

// last asks the leader for a key's value. It fails with errAbsent.
func (t *kv) last(ctx context.Context, key string) (value, error) { return t.lastUnder(ctx, key) }

// sure is last, tried again until there is an answer or ctx ends.
func (t *kv) sure(ctx context.Context, key string) (value, error) {
	for {
		v, err := t.last(ctx, key)
		if err == nil || errors.Is(err, errAbsent) || errors.Is(err, ErrClosed) {
			return v, err
		}
		select {
		case <-time.After(retryWait):
		case <-ctx.Done():
			return v, err
		}
	}
}

// lastUnder asks the leader for the newest value under a pattern of keys.
func (t *kv) lastUnder(ctx context.Context, pattern string) (value, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	query, err := json.Marshal(map[string]string{"last_by_subj": t.prefix + pattern})
	if err != nil {
		return value{}, fmt.Errorf("encode a read: %w", err)
	}
	answer, err := t.asker.ask(ctx, &nats.Msg{Subject: "$JS.API.STREAM.MSG.GET." + t.stream, Data: query})
	if err != nil {
		return value{}, askError(err)
	}
	var r struct {
		Error   *apiError `json:"error"`
		Message struct {
			Subject  string `json:"subject"`
			Sequence uint64 `json:"seq"`
			Data     []byte `json:"data"`
			Headers  []byte `json:"hdrs"`
		} `json:"message"`
	}
	if err := json.Unmarshal(answer.Data, &r); err != nil {
		return value{}, fmt.Errorf("decode a read: %w", err)
	}
	if r.Error != nil {
		return value{}, r.Error.typed()
	}
	v := value{key: strings.TrimPrefix(r.Message.Subject, t.prefix), rev: r.Message.Sequence, data: r.Message.Data}
	if len(r.Message.Headers) > 0 {
		h, err := nats.DecodeHeadersMsg(r.Message.Headers)
		if err != nil {
			return value{}, fmt.Errorf("decode a read: %w", err)
		}
		v.writes = h.Get(headerWrite)
		v.previous, _ = strconv.ParseUint(h.Get(headerExpected), 10, 64)
	}
	return v, nil
}

// near asks whichever replica answers first for a key's value: it works without
// a majority, and may be behind.
func (t *kv) near(ctx context.Context, key string) (value, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	answer, err := t.asker.ask(ctx, &nats.Msg{Subject: "$JS.API.DIRECT.GET." + t.stream + "." + t.prefix + key})
	if err != nil {
		return value{}, askError(err)
	}
	switch answer.Header.Get(headerStatus) {
	case "":
		return t.value(answer)
	case "404":
		return value{}, errAbsent
	}
	return value{}, fmt.Errorf("read from a replica: status %s", answer.Header.Get(headerStatus))
}

// value reads a message of a replica.
func (t *kv) value(m *nats.Msg) (value, error) {
	subject := m.Header.Get(headerSubject)
	rev, err := strconv.ParseUint(m.Header.Get(headerSequence), 10, 64)
	if err != nil || len(subject) < len(t.prefix) {
		return value{}, errors.New("read from a replica: the answer has no sequence or subject")
	}
	return value{key: subject[len(t.prefix):], rev: rev, data: m.Data, writes: m.Header.Get(headerWrite)}, nil
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
	return binary.BigEndian.AppendUint64(append(buf, valueFormat), uint64(expires.UnixMilli())) //nolint:gosec // both ways the same bits
}

// splitHead returns a stored value's expiry and body.
func splitHead(data []byte) (expires time.Time, body []byte, ok bool) {
	if len(data) < valueHead || data[0] != valueFormat {
		return time.Time{}, nil, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(data[1:]))), data[valueHead:], true //nolint:gosec // both ways the same bits
}

// ttlOf is how long the store keeps what expires then.
func ttlOf(expires time.Time) time.Duration { return max(time.Until(expires), 0) + ttlGrace }
