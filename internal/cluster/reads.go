// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
)

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
