// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// find reads the change that put a record at a revision: from any replica, or from
// the leader when that one is behind. It fails with errAbsent when there is no
// such frame any more.
func (j *journal) find(ctx context.Context, id session.ID, rev uint64) (change, error) {
	body, err := j.near(ctx, rev)
	if err != nil {
		limited, cancel := context.WithTimeout(ctx, j.health.writeLimit(readLimit))
		defer cancel()
		if body, err = j.message(limited, rev); err != nil {
			return change{}, err
		}
	}
	f, err := parseFrame(body)
	if err != nil {
		return change{}, err
	}
	found := change{}
	err = f.each(func(c *change) bool {
		if c.id == id {
			found = *c
		}
		return c.id != id
	})
	if err == nil && found.body == nil {
		err = errAbsent
	}
	return found, err
}

// near asks whichever replica answers first for a frame: it works without a
// majority, and may be behind.
func (j *journal) near(ctx context.Context, number uint64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	query := fmt.Appendf(nil, `{"seq":%d}`, number)
	answer, err := j.asker.ask(ctx, &nats.Msg{Subject: "$JS.API.DIRECT.GET." + j.name, Data: query})
	if err != nil {
		return nil, askError(err)
	}
	switch status := answer.Header.Get(headerStatus); {
	case status == "404":
		return nil, errAbsent
	case status != "":
		return nil, fmt.Errorf("read from a replica: status %s", status)
	case answer.Header.Get(headerSequence) != strconv.FormatUint(number, 10):
		return nil, errAbsent
	}
	return answer.Data, nil
}

// message asks the leader for a frame until there is an answer or ctx ends.
func (j *journal) message(ctx context.Context, number uint64) (body []byte, err error) {
	err = insist(ctx, func() error {
		m, err := j.stored(ctx, j.name, map[string]any{"seq": number})
		body = m.Data
		return err
	})
	return body, err
}
