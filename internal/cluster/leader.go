// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
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

// leader asks the leader of a store, and knows a busy one from one that hangs.
type leader struct {
	asker   asker
	answers *atomic.Uint64 // requests that were answered
}

// natsAsker is the asker over a connection.
type natsAsker struct{ conn *nats.Conn }

func (a natsAsker) ask(ctx context.Context, msg *nats.Msg) (*nats.Msg, error) {
	return a.conn.RequestMsgWithContext(ctx, msg)
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

// attempt sends a write once and returns its number in the stream.
func (t *leader) attempt(ctx context.Context, msg *nats.Msg) (uint64, error) {
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
func (t *leader) patience(ctx context.Context, giveUp func()) func() {
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

// storedMessage is a message as the leader has it.
type storedMessage struct {
	Subject  string `json:"subject"`
	Sequence uint64 `json:"seq"`
	Data     []byte `json:"data"`
	Headers  []byte `json:"hdrs"`
}

// stored asks the leader of a stream once for a message. It fails with errAbsent.
func (t *leader) stored(ctx context.Context, stream string, query map[string]any) (storedMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	body, err := json.Marshal(query)
	if err != nil {
		return storedMessage{}, fmt.Errorf("encode a read: %w", err)
	}
	answer, err := t.asker.ask(ctx, &nats.Msg{Subject: "$JS.API.STREAM.MSG.GET." + stream, Data: body})
	if err != nil {
		return storedMessage{}, askError(err)
	}
	var r struct {
		Error   *apiError     `json:"error"`
		Message storedMessage `json:"message"`
	}
	if err := json.Unmarshal(answer.Data, &r); err != nil {
		return storedMessage{}, fmt.Errorf("decode a read: %w", err)
	}
	if r.Error != nil {
		return storedMessage{}, r.Error.typed()
	}
	return r.Message, nil
}

// insist reads from a leader until it answers or ctx ends.
func insist(ctx context.Context, read func() error) error {
	for {
		err := read()
		if err == nil || errors.Is(err, errAbsent) || errors.Is(err, ErrClosed) {
			return err
		}
		select {
		case <-time.After(retryWait):
		case <-ctx.Done():
			return err
		}
	}
}
