// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// last asks the leader for a key's value. It fails with errAbsent.
func (t *kv) last(ctx context.Context, key string) (value, error) { return t.lastUnder(ctx, key) }

// sure is last, tried again until there is an answer or ctx ends.
func (t *kv) sure(ctx context.Context, key string) (v value, err error) {
	err = insist(ctx, func() error { v, err = t.last(ctx, key); return err })
	return v, err
}

// lastUnder asks the leader for the newest value under a pattern of keys.
func (t *kv) lastUnder(ctx context.Context, pattern string) (value, error) {
	m, err := t.stored(ctx, t.stream, map[string]any{"last_by_subj": t.prefix + pattern})
	if err != nil {
		return value{}, err
	}
	v := value{key: strings.TrimPrefix(m.Subject, t.prefix), rev: m.Sequence, data: m.Data}
	if len(m.Headers) > 0 {
		h, err := nats.DecodeHeadersMsg(m.Headers)
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
