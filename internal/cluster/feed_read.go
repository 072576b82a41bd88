// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
)

// catchUp reads what is behind f.last from a replica until nothing known is missing.
func (f *feed) catchUp(ctx context.Context) error {
	err := f.progress.catchUp(ctx, f.read)
	if errors.Is(err, errMissing) { // it has expired or been replaced
		f.mu.Lock()
		defer f.mu.Unlock()
		f.caughtUp(f.seen)
		return nil
	}
	return err
}

// caughtUp notes that everything up to rev has been read. f.mu is held.
func (f *feed) caughtUp(rev uint64) {
	for r := range f.ahead {
		if r <= rev {
			delete(f.ahead, r)
		}
	}
	f.seen = max(f.seen, rev)
	f.advance(rev)
}

// read applies one batch of changes from a number on, and reports whether there are more.
func (f *feed) read(ctx context.Context, from uint64) (more bool, err error) {
	highest := uint64(0)
	query := map[string]any{"seq": from, "batch": catchUpBatch}
	more, err = directBatch(ctx, f.conn, f.kv.stream, query, func(m *nats.Msg) error {
		v, err := f.kv.value(m)
		if err != nil {
			return err
		}
		f.apply(v)
		highest = v.rev
		return nil
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && highest > f.last {
		f.caughtUp(highest)
	}
	return more, err
}

// maxDirectBatch bounds what one read of several messages may ask for.
const maxDirectBatch = 1000

// batchTimeout bounds the wait for the next message of a batch: the replica that was
// asked may hang.
const batchTimeout = time.Second

// directBatch asks a replica for several messages and hands each to do. It
// reports whether there are more behind them, and fails unless the replica said
// that the batch has ended.
func directBatch(ctx context.Context, conn *nats.Conn, stream string, query map[string]any, do func(*nats.Msg) error) (more bool, err error) {
	body, err := json.Marshal(query)
	if err != nil {
		return false, fmt.Errorf("encode a read: %w", err)
	}
	inbox := conn.NewInbox()
	sub, err := conn.SubscribeSync(inbox)
	if err != nil {
		return false, err
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection may be closed
	_ = sub.SetPendingLimits(-1, -1)         // a batch is bounded by what was asked for
	if err := conn.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, body); err != nil {
		return false, err
	}
	for {
		wait, cancel := context.WithTimeout(ctx, batchTimeout)
		m, err := sub.NextMsgWithContext(wait)
		cancel()
		if err != nil {
			return false, askError(err)
		}
		switch status := m.Header.Get(headerStatus); status {
		case "":
		case "204":
			pending, _ := strconv.ParseUint(m.Header.Get(headerPending), 10, 64)
			return pending > 0, nil
		case "404":
			return false, nil
		case "503":
			return false, errNoLeader
		default:
			return false, fmt.Errorf("read from a replica: status %s", status)
		}
		if m.Header.Get(headerSequence) == "" {
			return false, errors.New("read from a replica: " + string(bytes.TrimSpace(m.Data)))
		}
		if err := do(m); err != nil {
			return false, err
		}
	}
}
